package pve

import (
	"context"
	"net/http"
	"net/url"
)

// Download is a file that the server is to fetch by itself.
type Download struct {
	// URL is where from; http or https.
	URL string
	// Name is the file's name on the storage; a disk image needs the ending of its format, such as ".qcow2".
	Name string
	// Content is what it is: "iso", "vztmpl", or "import" for disk images (qcow2 since PVE 8.4).
	Content string
	// SHA256 in hex is what the file must have; "" for no check.
	SHA256 string
}

// Download begins to fetch a file onto a directory storage (API2/Storage/Status.pm, download_url). A file with another
// checksum is not kept, and the task fails with ErrChecksum. It needs Datastore.AllocateTemplate on the storage, and
// Sys.AccessNetwork on the node.
func (c *Client) Download(ctx context.Context, node, storage string, d Download) (UPID, error) {
	params := []Param{{"url", d.URL}, {"content", d.Content}, {"filename", d.Name}}
	if d.SHA256 != "" {
		params = append(params, Param{"checksum-algorithm", "sha256"}, Param{"checksum", d.SHA256})
	}
	path := "/nodes/" + url.PathEscape(node) + "/storage/" + url.PathEscape(storage) + "/download-url"
	return c.begin(ctx, http.MethodPost, path, params...)
}

// NewVM is a VM to be made from nothing, by CreateVM.
type NewVM struct {
	EmptyVM
	// Set is its configuration. A disk that is filled from an image has the value
	// "zfs:0,import-from=local:import/x.qcow2".
	Set []Param
}

// CreateVM begins to make a VM with its disks. It claims the VMID before it answers; when making a disk fails, PVE
// removes everything again.
func (c *Client) CreateVM(ctx context.Context, vm NewVM) (UPID, error) {
	return c.begin(ctx, http.MethodPost, qemuPath(vm.Node), append(vm.params(), vm.Set...)...)
}

// MakeTemplate begins to turn a stopped VM into a template: its disks become base volumes under other names. There is
// no way back.
func (c *Client) MakeTemplate(ctx context.Context, ref VMRef) (UPID, error) {
	return c.begin(ctx, http.MethodPost, ref.path("/template"))
}
