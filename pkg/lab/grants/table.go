package grants

import (
	"fmt"
	"slices"
	"strings"
)

func vmPath(vmid int) string { return fmt.Sprintf("/vms/%d", vmid) }

// onPool are the privileges on the VMs, which they have from their pool: a VM's own ACL would go with the VM. Each was
// taken away alone on real servers, and a lab's life failed (pve-api lab-findings §2), but for Pool.Audit, without which
// nobody can tell a pool that is missing from one that is empty.
func onPool(n Needs) List {
	path := "/pool/" + n.Pool
	list := List{
		{path, "Pool.Audit", "see that the pool exists and which VMs are in it"},
		{path, "VM.Allocate", "clone VMs into the pool and destroy them"},
		{path, "VM.Audit", "read the configuration and the status of the VMs"},
		{path, "VM.PowerMgmt", "start and stop the VMs"},
		{path, "VM.Config.Disk", "make and grow disks, and see which volumes a destroyed VM left"},
	}
	for _, right := range configRights() {
		if keys := right.of(n.Keys); len(keys) > 0 {
			list = append(list, Grant{path, right.privilege, "set " + strings.Join(keys, ", ")})
		}
	}
	if n.Major <= 8 {
		return append(list, Grant{path, "VM.Monitor", "ask the guest agent for addresses and the SSH host key"})
	}
	return append(list,
		Grant{path, "VM.GuestAgent.Audit", "ask the guest agent whether the guest is up, and for its addresses"},
		Grant{path, "VM.GuestAgent.FileRead", "read the guest's SSH host key through its agent"})
}

// configRight is what some configuration keys need (PVE::API2::Qemu, check_vm_modify_config_perm). Drives, which need
// VM.Config.Disk, are left out: growing the OS disk needs that anyway; and so is freeze, with VM.PowerMgmt.
type configRight struct{ privilege, keys string }

func configRights() []configRight {
	return []configRight{
		{"VM.Config.CPU", "cores sockets smp vcpus cpulimit cpuunits numa numa0 numa1 numa2 numa3 numa4 numa5 numa6 numa7"},
		{"VM.Config.Memory", "memory balloon"},
		{"VM.Config.Options", "agent onboot tags protection reboot"},
		{"VM.Config.Cloudinit", "ciuser sshkeys ipconfig0 nameserver ciupgrade"}, // VM.Config.Network would do as well
		{"VM.Config.Network", "net0"},
		{"VM.Config.HWType", "scsihw hotplug"},
		{"VM.Config.CDROM", "ide0 ide1 ide2 ide3 sata0 sata1"}, // an uploaded cloud-init image
	}
}

// of are those of the keys that need the right.
func (r configRight) of(keys []string) []string {
	mine := strings.Fields(r.keys)
	return slices.DeleteFunc(mine, func(key string) bool { return !slices.Contains(keys, key) })
}

func onTemplate(path string) List {
	return List{
		{path, "VM.Audit", "see the template and read its configuration"},
		{path, "VM.Clone", "clone the template"},
	}
}

func onStorage(path string) List {
	return List{
		{path, "Datastore.AllocateSpace", "make disks on the storage"},
		{path, "Datastore.Audit", "see the volumes on the storage: without it every list of them is empty, and a leftover cannot be told from none"},
	}
}

// onUploads are the privileges to put cloud-init images on a storage and to take them away again.
func onUploads(path string) List {
	return List{
		{path, "Datastore.AllocateTemplate", "upload cloud-init images to the storage"},
		{path, "Datastore.Allocate", "remove the uploaded cloud-init images"},
		{path, "Datastore.Audit", "see which cloud-init images are on the storage"},
	}
}

// role is the name of the role for the privileges on a path. They are labctl's own, so that a privilege can be added to
// one without changing anything else on the server.
func (l List) role(path string) string {
	if privileges := l.On(path); slices.Contains(privileges, "Datastore.AllocateTemplate") || slices.Contains(privileges, "Datastore.Allocate") {
		return "LabctlUpload"
	}
	switch kind, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/"); kind {
	case "pool":
		return "LabctlVM"
	case "vms":
		return "LabctlTemplate"
	case "storage":
		return "LabctlStore"
	case "nodes":
		return "LabctlNode"
	case "mapping":
		return "LabctlMapping"
	default:
		return "LabctlNet"
	}
}
