// Package grants is the table of the least privileges that a lab needs on Proxmox VE: the commands that give them and
// the check whether a token has them both come from it.
package grants

import (
	"slices"
	"strings"

	"labctl/pkg/lab/guestsetup"
	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/plan"
	"labctl/pkg/labspec"
)

// Grant is one privilege on one path of PVE's access control list.
type Grant struct {
	Path      string `json:"path"`      // such as /pool/labctl
	Privilege string `json:"privilege"` // such as VM.PowerMgmt
	Why       string `json:"why"`       // completes "it needs it to"
}

// List is all that a token needs, path by path.
type List []Grant

// Needs is what the privileges depend on.
type Needs struct {
	// Major is the server's major version: 9 replaced VM.Monitor by finer privileges of the guest agent.
	Major int
	// Pool takes the VMs.
	Pool string
	// Template is the VMID of what is cloned, 0 while it is not known.
	Template int
	// FirstVMID is the lowest that a VM of the lab may get, 0 while it is not known.
	FirstVMID int
	// Storages hold the data disks, and the disks of the template and so of its clones.
	Storages []string
	// Uploads is the storage for cloud-init images; "" when the lab uploads none.
	Uploads string
	// Bridges are those of the VMs, with a VLAN tag as vmbr0/10 where the template has one.
	Bridges []string
	// Mappings are the paths of what the administrator mapped for VMs and the template uses, such as /mapping/pci/gpu.
	Mappings []string
	// Keys are the configuration keys that labctl sets or unsets, such as cores.
	Keys []string
}

// Of is what a lab needs on a server of that major version. The template decides on some of it; the zero one stands for
// a template as labctl builds it, on the lab's own storage and bridge.
func Of(lab *labspec.Lab, template inventory.Template, major int) Needs {
	needs := Needs{
		Major: major, Pool: lab.Pool, Template: int(template.Ref.ID), FirstVMID: lab.VMIDs.First, Storages: lab.Storages(), Keys: []string{"sshkeys"},
	}
	if needs.Template == 0 {
		needs.Template = lab.Template.VMID
		template.Config.Raw = map[string]string{"scsihw": "virtio-scsi-single", "net0": "virtio,bridge=" + lab.Network.Bridge}
	}
	needs.Storages = append(needs.Storages, storages(template.Config)...)
	if lab.CloudInit.Mode == labspec.CloudInitISO {
		needs.Uploads = lab.CloudInit.Storage
	}
	needs.Bridges = bridges(lab, template.Config)
	needs.Mappings = mappings(template.Config, major)
	for i := range lab.VMs {
		needs.Keys = append(needs.Keys, plan.Keys(lab, lab.VMs[i], template.Config)...)
		for _, param := range guestsetup.Cloud(lab, i) {
			needs.Keys = append(needs.Keys, param.Key)
		}
	}
	for _, list := range []*[]string{&needs.Storages, &needs.Bridges, &needs.Keys} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return needs
}

// storages are those that a clone takes space on: of the disks, and of the cloud-init drive, which is made anew.
func storages(template inventory.Config) []string {
	var names []string
	for _, drive := range template.AttachedDrives() {
		storage, _, isVolume := strings.Cut(drive.Volume, ":")
		if isVolume && (drive.Options["media"] != "cdrom" || drive.IsCloudInit()) {
			names = append(names, storage)
		}
	}
	return names
}

// WithoutTemplate are the needs when there is no template that a privilege could be given on.
func (n Needs) WithoutTemplate() Needs {
	n.Template = 0
	return n
}

// bridges are those of the template's network devices, since to clone one takes the right to its bridge (PVE::API2::Qemu,
// clone_vm), and that of the clones when it is another one.
func bridges(lab *labspec.Lab, template inventory.Config) []string {
	names := []string{}
	for key, device := range template.Raw {
		if strings.HasPrefix(key, "net") {
			names = append(names, bridgePaths(device)...)
		}
	}
	if device, set := plan.NetDevice(lab, template); set {
		names = append(names, bridgePaths(device)...)
	}
	return names
}

// bridgePaths are the names, below the path of a zone, on which the right to a network device is checked: with a VLAN tag or
// trunks those in place of the bridge (pve-api findings-3 44).
func bridgePaths(device string) []string {
	var bridge string
	var vlans, paths []string
	for option := range strings.SplitSeq(device, ",") {
		key, value, _ := strings.Cut(option, "=")
		switch key {
		case "bridge":
			bridge = value
		case "tag", "trunks":
			vlans = append(vlans, strings.Split(value, ";")...)
		}
	}
	if bridge == "" {
		return nil
	}
	for _, vlan := range vlans {
		paths = append(paths, bridge+"/"+vlan)
	}
	if len(paths) == 0 {
		paths = append(paths, bridge)
	}
	return paths
}

// List is the table.
func (n Needs) List() List {
	list := onPool(n)
	if n.Template != 0 {
		list = append(list, onTemplate(vmPath(n.Template))...)
	}
	for _, storage := range n.Storages {
		list = append(list, onStorage("/storage/"+storage)...)
	}
	if n.Uploads != "" {
		list = list.With(onUploads("/storage/" + n.Uploads))
	}
	for _, path := range n.Mappings {
		list = append(list, Grant{path, "Mapping.Use", "clone the template, which uses it"})
	}
	for _, bridge := range n.Bridges {
		list = append(list, Grant{"/sdn/zones/localnetwork/" + bridge, "SDN.Use", "plug the VMs into the bridge"})
	}
	return list
}

// Paths are those of the list, each once, in its order.
func (l List) Paths() []string {
	var paths []string
	for _, grant := range l {
		if !slices.Contains(paths, grant.Path) {
			paths = append(paths, grant.Path)
		}
	}
	return paths
}

// On are the privileges on a path.
func (l List) On(path string) []string {
	var privileges []string
	for _, grant := range l {
		if grant.Path == path {
			privileges = append(privileges, grant.Privilege)
		}
	}
	return privileges
}
