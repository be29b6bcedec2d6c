// Package vmtemplate builds the VM template that labs are cloned from: a published cloud image becomes a template through
// the PVE API, or nothing of it stays.
package vmtemplate

import (
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"

	"labctl/pkg/lab/change"
	"labctl/pkg/lab/cloudimage"
	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/teardown"
	"labctl/pkg/pve"
)

// API is what building a template needs of a PVE server.
type API interface {
	change.API
	Version(ctx context.Context) (pve.Version, error)
	Permissions(ctx context.Context, path string) (map[string][]string, error)
}

// Talk tells a person what happens.
type Talk interface {
	change.Observer
	Line(format string, args ...any)
}

// Wanted says which template to build. The image is a URL or a File.
type Wanted struct {
	Node         string
	Pool         string
	Bridge       string
	VMID         pve.VMID // 0: the first free one from 9000 on
	Name         string   // on PVE, a DNS name
	Storage      string   // of the template's disk
	ImageStorage string   // where the image lies meanwhile; "": the first of the node that takes disk images
	URL          string   // https or http; the server fetches it
	File         string   // local file, uploaded instead
	SHA256       string   // in hex; "" asks the publisher of the URL, and is no check of a File but for its way
}

// Result is the template that there is now.
type Result struct {
	Node   string   `json:"node"`
	VMID   pve.VMID `json:"vmid"`
	Name   string   `json:"name"`
	Image  string   `json:"image"` // address or file name
	SHA256 string   `json:"image_sha256"`
	Built  bool     `json:"built"` // false: it was there before
}

// Builder builds templates on one server.
type Builder struct {
	API       API
	Talk      Talk
	Publisher cloudimage.Doer // asked for checksums
	Gates     change.Gates    // nil: nobody else works on the server
	Dir       string          // where the state of builds is kept
	Owner     string          // as in owner marks
	Version   string          // of labctl
	ServerURL string
	Token     string // the name of the token, by which its tasks are known
	// Words are what the person at work says of volumes and VMIDs.
	Words teardown.Words
	// Mark completes the owner mark; nil leaves it as it is.
	Mark func(*inventory.Mark)
}

// source is the image with its checksum.
type source struct {
	name      string // for people and in the note
	extension string // as PVE wants it
	url       string
	sha256    string
	open      change.ImageFile // nil for a URL
}

// errTwoImages is a mistake of the caller.
var errTwoImages = errors.New("the image is an address or a local file, not both")

// source finds out what the image is and which checksum it must have.
func (b *Builder) source(ctx context.Context, wanted Wanted) (source, error) {
	switch {
	case wanted.SHA256 != "" && !cloudimage.ValidSum(wanted.SHA256):
		return source{}, fmt.Errorf("%q is no SHA-256: it has 64 hexadecimal digits in lower case", wanted.SHA256)
	case wanted.File != "" && wanted.URL != "":
		return source{}, errTwoImages
	case wanted.File != "":
		return localSource(wanted)
	}
	from := source{name: path.Base(wanted.URL), url: wanted.URL, sha256: wanted.SHA256}
	var err error
	if from.extension, err = extensionOf(wanted.URL); err != nil {
		return source{}, err
	}
	if from.sha256 == "" {
		if from.sha256, err = cloudimage.PublishedSum(ctx, b.Publisher, wanted.URL); err != nil {
			return source{}, err
		}
		b.Talk.Line("the publisher's checksum of %s is %s", from.name, from.sha256)
	}
	return from, nil
}

var addressEnding = regexp.MustCompile(`\.(img|qcow2|raw|vmdk)$`)

// extensionOf is the ending that the file gets on PVE. What publishers of cloud images call .img is qcow2.
func extensionOf(url string) (string, error) {
	m := addressEnding.FindStringSubmatch(url)
	switch {
	case m == nil:
		return "", fmt.Errorf("image address %s: it has to end in .img, .qcow2, .raw or .vmdk: compressed images cannot be imported", url)
	case m[1] == "img":
		return "qcow2", nil
	}
	return m[1], nil
}
