package plan

import (
	"fmt"
	"strings"

	"labctl/pkg/internal/shell"
)

// TemplateVM is the name under which the journal and the owner mark speak of a template that is being built.
const TemplateVM = "template"

// TemplateWanted is what a plan for a template is made from.
type TemplateWanted struct {
	Node    string
	VMID    int
	Name    string // on PVE
	Pool    string
	Storage string // of the template's disk
	Bridge  string
	Image   Image
	Note    string // the notes of the finished template
}

// Image is the disk image that a template is made from, as a step: it is put on a storage.
type Image struct {
	Storage  string // holds files of the content "import"
	FileName string // with the owner mark, see inventory.UploadName
	URL      string // where the server fetches it; "" when it is uploaded
	SHA256   string // in hex
}

// Create makes a VM from nothing, with a disk that is filled from an image.
type Create struct {
	VMName   string
	Pool     string
	Settings []Setting
}

// Convert turns the VM into a template.
type Convert struct{}

// Finish replaces the owner mark in the notes by what a template says of itself. From then on nothing removes it as left
// over.
type Finish struct{ Note string }

// VolumeID is the image's name as a volume (PVE::Storage::Plugin, parse_volname).
func (i Image) VolumeID() string { return i.Storage + ":import/" + i.FileName }

// BuildTemplate says how to make a template from a cloud image. The image is gone again, and the VM is a template, before
// the last step makes it one that stays: a build that was killed anywhere leaves only what carries an owner mark.
func BuildTemplate(wanted TemplateWanted) Sequence {
	return Sequence{VM: TemplateVM, Node: wanted.Node, VMID: wanted.VMID, Steps: []Step{
		wanted.Image,
		Create{VMName: wanted.Name, Pool: wanted.Pool, Settings: templateHardware(wanted, wanted.Image.VolumeID())},
		Free{Volume: wanted.Image.VolumeID()},
		Convert{},
		Finish{Note: wanted.Note},
	}}
}

// RootCreate is the command that makes the same VM as root on the node, from an image file there.
func RootCreate(vmid, file string, wanted TemplateWanted) shell.Command {
	command := shell.New("qm", "create", vmid, "--name").VMName(wanted.Name).Words("--pool").Pool(wanted.Pool)
	for _, setting := range templateHardware(wanted, file) {
		command = command.Words("--"+setting.Key, setting.Value)
	}
	return command
}

// templateHardware is what every clone inherits, with a disk that is filled from the image. Cores and memory are set for
// each VM of a lab anyway.
func templateHardware(wanted TemplateWanted, image string) []Setting {
	return []Setting{
		{"scsihw", "virtio-scsi-single"}, // each disk can have an I/O thread of its own
		{"scsi0", fmt.Sprintf("%s:0,import-from=%s,discard=on,iothread=1,ssd=1", wanted.Storage, image)},
		{"ide2", wanted.Storage + ":cloudinit"},
		{"boot", "order=scsi0"},
		{"agent", "enabled=1"},
		{"serial0", "socket"}, // cloud images log to the serial console, and some hang without one
		{"vga", "serial0"},
		{"net0", "virtio,bridge=" + wanted.Bridge},
		{"ostype", "l26"},
		{"cpu", "host"},
		{"cores", "2"},
		{"memory", "2048"},
	}
}

// Name returns "download" or "upload".
func (i Image) Name() string {
	if i.URL == "" {
		return "upload"
	}
	return "download"
}

// Name returns "create".
func (Create) Name() string { return "create" }

// Name returns "convert".
func (Convert) Name() string { return "convert" }

// Name returns "finish".
func (Finish) Name() string { return "finish" }

// Detail names source and volume.
func (i Image) Detail() string {
	if i.URL == "" {
		return "disk image as " + i.VolumeID()
	}
	return i.URL + " as " + i.VolumeID()
}

// Detail lists name, pool and the settings.
func (c Create) Detail() string {
	parts := make([]string, 0, len(c.Settings)+1)
	parts = append(parts, fmt.Sprintf("%s in pool %s:", c.VMName, c.Pool))
	for _, setting := range c.Settings {
		parts = append(parts, setting.Key+"="+setting.Value)
	}
	return strings.Join(parts, " ")
}

// Detail says what happens.
func (Convert) Detail() string { return "to a template" }

// Detail says what happens.
func (Finish) Detail() string { return "note the image, so that the template stays" }

func (Image) sealed()   {}
func (Create) sealed()  {}
func (Convert) sealed() {}
func (Finish) sealed()  {}
