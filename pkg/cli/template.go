package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"labctl/pkg/lab/cloudimage"
	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/vmtemplate"
	"labctl/pkg/labspec"
	"labctl/pkg/pve"
)

// templateOptions are the flags of `template build`; what they leave open the lab says.
type templateOptions struct {
	vmtemplate.Wanted
	vmid int
}

func newTemplate(a *app) *cobra.Command {
	cmd := group(&cobra.Command{Use: "template", Short: "Build the VM template that labs are cloned from"})
	cmd.AddCommand(newTemplateBuild(a))
	return cmd
}

func newTemplateBuild(a *app) *cobra.Command {
	var options templateOptions
	cmd := &cobra.Command{
		Use:   "build [LAB]",
		Short: "Make a template from a cloud image through the API: Ubuntu 22.04, or what the lab says",
		Long: `Makes a template from a cloud image through the PVE API. The node fetches the image itself, or labctl uploads a file; PVE checks
its SHA-256. Without template.image.sha256 and --sha256 labctl asks the publisher for it over TLS. A template of the same image that
is there already is reported and not built again. Nothing of a build that fails stays.

Without LAB and ./lab.yaml the flags --node and --storage are needed. Importing an image needs PVE 8.4 or later.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			wanted, err := a.wantedTemplate(args, options)
			if err != nil {
				return err
			}
			return a.buildTemplate(cmd.Context(), wanted)
		},
	}
	set := cmd.Flags()
	set.StringVar(&options.Node, "node", "", "`name` of the node (default: the lab's)")
	set.StringVar(&options.Storage, "storage", "", "`storage` of the template's disk (default: the lab's)")
	set.StringVar(&options.ImageStorage, "image-storage", "", "directory `storage` where the image lies meanwhile (default: the first that takes disk images)")
	set.StringVar(&options.Pool, "pool", "", "`pool` that the template joins (default: the lab's, or labctl)")
	set.StringVar(&options.Bridge, "bridge", "", "`bridge` of the template's network device (default: the lab's, or vmbr0)")
	set.IntVar(&options.vmid, "vmid", 0, "`VMID` of the template (default: the lab's, or the first free one from 9000 on)")
	set.StringVar(&options.Name, "name", "", "`name` of the template on PVE (default: the lab's, or labctl-ubuntu-2204)")
	set.StringVar(&options.URL, "image-url", "", "`address` of the image (default: the lab's, or the newest Ubuntu 22.04)")
	set.StringVar(&options.SHA256, "sha256", "", "`checksum` of the image in hex (default: the lab's, or the publisher's)")
	set.StringVar(&options.File, "image-file", "", "local `file` to upload instead")
	a.addLeave(cmd)
	return cmd
}

// wantedTemplate completes the flags by what the lab says.
func (a *app) wantedTemplate(args []string, options templateOptions) (vmtemplate.Wanted, error) {
	wanted := options.Wanted
	wanted.VMID = pve.VMID(options.vmid)
	_, err := os.Stat(defaultLab)
	if len(args) > 0 || err == nil {
		spec, err := a.loadLab(args)
		if err != nil {
			return wanted, err
		}
		completeTemplate(&wanted, spec.Lab)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return wanted, usagef("reading the lab: %w", err)
	}
	if wanted.Node == "" || wanted.Storage == "" {
		return wanted, usagef("no lab was named and there is no %s: say --node and --storage", defaultLab)
	}
	if options.SHA256 != "" && !cloudimage.ValidSum(options.SHA256) {
		return wanted, usagef("--sha256 %s: write the 64 hexadecimal digits in lower case that sha256sum prints for the image", options.SHA256)
	}
	if options.File != "" && options.URL != "" {
		return wanted, usagef("--image-file and --image-url: the image is a local file or an address, not both")
	}
	if options.vmid != 0 && (options.vmid < 100 || options.vmid > 999999999) {
		return wanted, usagef("--vmid %d: 100 to 999999999", options.vmid)
	}
	wanted.Pool = cmp.Or(wanted.Pool, "labctl")
	wanted.Bridge = cmp.Or(wanted.Bridge, "vmbr0")
	wanted.Name = cmp.Or(wanted.Name, "labctl-ubuntu-2204")
	if wanted.File == "" {
		wanted.URL = cmp.Or(wanted.URL, cloudimage.Jammy)
	}
	return wanted, nil
}

// completeTemplate fills in what the lab says. A VMID is that of one node only.
func completeTemplate(wanted *vmtemplate.Wanted, lab *labspec.Lab) {
	template := lab.Template
	wanted.Node = cmp.Or(wanted.Node, lab.Node)
	vmid, name := template.On(wanted.Node)
	if wanted.Node != lab.Node && vmid == template.VMID {
		vmid = 0 // that is the template of the lab's own node
	}
	wanted.VMID = cmp.Or(wanted.VMID, pve.VMID(vmid))
	wanted.Name = cmp.Or(wanted.Name, name)
	wanted.Pool = cmp.Or(wanted.Pool, lab.Pool)
	wanted.Bridge = cmp.Or(wanted.Bridge, lab.Network.Bridge)
	wanted.Storage = cmp.Or(wanted.Storage, template.Storage, lab.VMs[0].DataDisk.Storage)
	if image := template.Image; image != nil {
		wanted.ImageStorage = cmp.Or(wanted.ImageStorage, image.Storage)
		if wanted.File == "" && wanted.URL == "" { // a checksum is that of one image only
			wanted.URL = image.URL
			wanted.SHA256 = cmp.Or(wanted.SHA256, image.SHA256)
		}
	}
}

// publisherPatience bounds asking a publisher for a checksum.
const publisherPatience = 30 * time.Second

// buildTemplate builds the template and prints what there is now.
func (a *app) buildTemplate(ctx context.Context, wanted vmtemplate.Wanted) error {
	server, err := a.connect(ctx)
	if err != nil {
		return err
	}
	a.mayLeave(wanted.Name)
	result, err := a.templateBuilder(server).Build(ctx, wanted)
	if err != nil {
		return errors.Join(err, a.stopIfUnused(ctx, server))
	}
	if server.sandbox != nil {
		a.progress().Line("%s", a.spellOut("the template lives as long as the sandbox: `labctl sandbox stop` ends it"))
	}
	if a.json() {
		return a.print(func(w io.Writer) error { return writeJSON(w, result) })
	}
	return a.print(func(w io.Writer) error { return describeTemplate(w, result) })
}

// templateBuilder keeps the state of builds beside that of labs, so that gc finds it.
func (a *app) templateBuilder(server *server) *vmtemplate.Builder {
	store := a.labStore()
	return &vmtemplate.Builder{
		API: server.client, Talk: &stepObserver{talk: a.progress(), spellOut: a.spellOut}, Publisher: &http.Client{Timeout: publisherPatience}, Gates: a.gates(server),
		Dir: filepath.Join(store.Root, "labs"), Owner: a.labs(&server).OwnerOn(server.labServer()), Version: version(), ServerURL: server.url, Token: server.tokenID, Words: a.words,
		Mark: func(mark *inventory.Mark) { mark.State = store.ID() },
	}
}

func describeTemplate(w io.Writer, result vmtemplate.Result) error {
	state := "is there already"
	if result.Built {
		state = "was built"
	}
	_, err := fmt.Fprintf(w, "template %s (%d) on node %s %s, from %s\nsha256 %s\nuse it in a lab file as  template: {vmid: %d}\n",
		result.Name, result.VMID, result.Node, state, result.Image, result.SHA256, result.VMID)
	return err
}
