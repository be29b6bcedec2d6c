package plan

import (
	"fmt"
	"strings"
)

// Step is one change or check for one VM. It is one of Upload, Clone, Configure, Grow, Start, Ready,
// Stop, Destroy, Free and Prove.
type Step interface {
	// Name is the step's one-word name.
	Name() string
	// Detail says what exactly is done, for a person.
	Detail() string
	sealed()
}

// Setting is one key of a VM's configuration with its value, as PVE writes it.
type Setting struct{ Key, Value string }

// Upload puts the VM's cloud-init image on a storage.
type Upload struct {
	Storage  string
	FileName string // with the owner mark, see inventory.UploadName
}

// VolumeID is the upload's name as a volume (PVE::Storage::Plugin, parse_volname).
func (u Upload) VolumeID() string { return u.Storage + ":iso/" + u.FileName }

// Clone makes the VM from the template.
type Clone struct {
	TemplateVMID int
	TemplateNode string // where the template is
	Node         string // where the VM is to be; another than the template's only when both see the disks
	VMName       string // the name on PVE
	Pool         string
	Full         bool // copy every block instead of a linked clone
}

// Configure sets cores, memory, the data disk and the rest in one request, and unsets what the clone is not to inherit.
type Configure struct {
	Settings []Setting
	Unset    []string // keys that get PVE's default
}

// Grow enlarges a disk of the clone.
type Grow struct {
	Disk               string // slot, such as scsi0
	FromBytes, ToBytes int64
}

// Start starts the VM.
type Start struct{}

// Ready waits until the guest can be measured, and prepares it.
type Ready struct{}

// Stop stops the VM hard: nothing in it is worth a shutdown.
type Stop struct {
	ByHA bool // HA manages the VM: PVE passes the wish on, and the VM stops later
}

// Destroy destroys the VM with its disks.
type Destroy struct{}

// Free removes an upload and shows that it is gone.
type Free struct{ Volume string }

// Prove shows that no volume of the VMID is left on the storages.
type Prove struct {
	// LookOnly says that nothing proves the VMID ours: volumes that are found are reported and not removed.
	LookOnly bool
	// Beside says that somebody else's VM has the VMID by now.
	Beside bool
}

// Name returns "upload".
func (Upload) Name() string { return "upload" }

// Name returns "free".
func (Free) Name() string { return "free" }

// Name returns "clone".
func (Clone) Name() string { return "clone" }

// Name returns "configure".
func (Configure) Name() string { return "configure" }

// Name returns "resize".
func (Grow) Name() string { return "resize" }

// Name returns "start".
func (Start) Name() string { return "start" }

// Name returns "ready".
func (Ready) Name() string { return "ready" }

// Name returns "stop".
func (Stop) Name() string { return "stop" }

// Name returns "destroy".
func (Destroy) Name() string { return "destroy" }

// Name returns "prove".
func (Prove) Name() string { return "prove" }

// Detail names the volume.
func (u Upload) Detail() string { return "cloud-init image " + u.VolumeID() }

// Detail names the volume.
func (f Free) Detail() string { return f.Volume }

// onto is the node that the clone goes to, when it is not the template's.
func (c Clone) onto() string {
	if c.Node == c.TemplateNode {
		return ""
	}
	return c.Node
}

// Detail names template, name and pool.
func (c Clone) Detail() string {
	kind := "linked clone"
	if c.Full {
		kind = "full clone"
	}
	text := fmt.Sprintf("%s of template %d as %s in pool %s", kind, c.TemplateVMID, c.VMName, c.Pool)
	if c.onto() != "" {
		text += fmt.Sprintf(" from node %s onto %s", c.TemplateNode, c.Node)
	}
	return text
}

// Detail lists the settings.
func (c Configure) Detail() string {
	parts := make([]string, len(c.Settings), len(c.Settings)+1)
	for i, setting := range c.Settings {
		parts[i] = setting.Key + "=" + setting.Value
	}
	if len(c.Unset) > 0 {
		parts = append(parts, "unset="+strings.Join(c.Unset, ","))
	}
	return strings.Join(parts, " ")
}

// Detail names the disk and both sizes.
func (g Grow) Detail() string {
	return fmt.Sprintf("%s from %d MiB to %d MiB", g.Disk, g.FromBytes>>20, g.ToBytes>>20)
}

// Detail is empty.
func (Start) Detail() string { return "" }

// Detail names what is waited for.
func (Ready) Detail() string { return "guest agent, SSH with pinned host key, data disk, fio" }

// Detail says how.
func (Stop) Detail() string { return "at once" }

// Detail says what goes with it.
func (Destroy) Detail() string { return "with its disks, jobs and leftover volumes" }

// Detail says how.
func (p Prove) Detail() string {
	switch {
	case p.Beside:
		return "no volume of ours is left beside those of the VM that is somebody else's now"
	case p.LookOnly:
		return "no volume of this VMID is left; what is found is reported and not removed"
	default:
		return "no volume of this VMID is left"
	}
}

func (Upload) sealed()    {}
func (Free) sealed()      {}
func (Clone) sealed()     {}
func (Configure) sealed() {}
func (Grow) sealed()      {}
func (Start) sealed()     {}
func (Ready) sealed()     {}
func (Stop) sealed()      {}
func (Destroy) sealed()   {}
func (Prove) sealed()     {}
