package labspec

import (
	"regexp"
	"strings"
)

// CloudInit is how a guest gets its first configuration.
type CloudInit struct {
	Mode    CloudInitMode
	Snippet string // volume ID of the vendor-data, with CloudInitSnippet
	Storage string // ID of the storage that takes the images, with CloudInitISO
}

// CloudInitMode is a way to hand cloud-init its data.
type CloudInitMode string

// The ways.
const (
	// CloudInitNative is PVE's own cloud-init drive; what it cannot say is done over SSH afterwards.
	CloudInitNative CloudInitMode = "native"
	// CloudInitSnippet adds a file that an administrator has put on a storage: as vendor-data, so that user, key and network
	// still come from labctl. PVE's API cannot upload snippets.
	CloudInitSnippet CloudInitMode = "snippet"
	// CloudInitISO is an image made and uploaded by labctl, with everything in it.
	CloudInitISO CloudInitMode = "iso"
)

// snippetID is the volume ID of a snippet (PVE::Storage::Plugin, parse_volname).
func snippetID() rule {
	return rule{regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._-]*:snippets/[^/,\s]+$`), 200, "the volume ID of a snippet", "write STORAGE:snippets/FILE"}
}

func cloudInitFields(c *CloudInit) object {
	return object{
		{
			key: "mode", value: choice(&c.Mode, CloudInitNative, CloudInitSnippet, CloudInitISO), fallback: string(CloudInitNative),
			doc: "native: PVE's own cloud-init drive. snippet: the same, and a snippet on a storage as vendor-data. iso: an image that labctl makes and uploads.",
		},
		{
			key: "snippet", value: words(&c.Snippet, snippetID()), examples: []string{"local:snippets/labctl.yaml"},
			doc: "Volume ID of the snippet. Only with mode snippet. cloudinit/vendor-data.yaml is one.",
		},
		{
			key: "storage", value: words(&c.Storage, storageID), examples: []string{"local"},
			doc: "PVE storage that takes ISO images. Only with mode iso.",
		},
	}
}

// checkCloudInit wants what a mode needs, and refuses what it has no use for.
func checkCloudInit(l *Lab, report reporter) {
	const mode, snippet, storage = "cloudInit.mode", "cloudInit.snippet", "cloudInit.storage"
	c := l.CloudInit
	for _, need := range []struct {
		mode        CloudInitMode
		path, value string
		remedy      string
	}{
		{CloudInitSnippet, snippet, c.Snippet, "write STORAGE:snippets/FILE"},
		{CloudInitISO, storage, c.Storage, "write the ID of a storage with the content iso"},
	} {
		switch {
		case c.Mode == need.mode && need.value == "":
			report("mode "+string(c.Mode)+" needs "+strings.TrimPrefix(need.path, "cloudInit."), need.remedy, need.path, mode)
		case c.Mode != need.mode && need.value != "":
			report("has no meaning with mode "+string(c.Mode), "remove it, or write mode: "+string(need.mode), need.path, mode)
		}
	}
}
