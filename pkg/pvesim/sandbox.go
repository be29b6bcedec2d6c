package pvesim

import "net/netip"

// Names of the sandbox: what a lab for it must say.
const (
	SandboxNode        = "pve"
	SandboxStorage     = "zfs"
	SandboxPool        = "labctl"
	SandboxBridge      = "vmbr0"
	SandboxTemplate    = 9000
	SandboxForeignVM   = 100
	SandboxImage       = "https://cloud-images.ubuntu.com/jammy/current/jammy-server-cloudimg-amd64.img" // what download-url finds
	SandboxTokenID     = "labctl@pve!run"
	SandboxTokenSecret = "5a4d6f6e-0f5e-4c1b-9d3b-6c61626374ff" // not a secret: replace it in the topology where it matters
)

// SandboxTopology is a small Proxmox host as a lab finds it: a ZFS pool, a cloud-init template, a pool and a token with
// the least privileges that do (those differ between 8 and 9), and one running VM of somebody else, which must stay
// untouched.
func SandboxTopology(major int) Topology {
	return Topology{
		Major: major,
		Nodes: []NodeSpec{{
			Name: SandboxNode, Address: netip.MustParsePrefix("10.10.10.1/24"), Bridges: []string{SandboxBridge},
			CPUs: 16, MemoryBytes: 64 << 30,
		}},
		Storages: []StorageSpec{
			{
				Name: "local", Type: "dir", Path: "/var/lib/vz", TotalBytes: 100 << 30,
				Content: []string{"iso", "vztmpl", "import", "snippets"},
			},
			{
				Name: SandboxStorage, Type: "zfspool", Dataset: "rpool/data", Sparse: true, BlockSize: "64k",
				Content: []string{"images", "rootdir"}, TotalBytes: 900 << 30,
			},
		},
		Pools: []string{SandboxPool},
		Templates: []TemplateSpec{{
			VMID: SandboxTemplate, Name: "ubuntu-2204", Storage: SandboxStorage, DiskMiB: 2252, Bridge: SandboxBridge,
			DiskOpts: "discard=on,iothread=1,ssd=1",
		}},
		VMs: []VMSpec{sandboxForeigner()},
		Roles: []RoleSpec{
			{Name: "LabctlVM", Privileges: sandboxVMPrivileges(major)},
			{Name: "LabctlStore", Privileges: []string{"Datastore.AllocateSpace", "Datastore.Audit"}},
			{Name: "LabctlImages", Privileges: []string{"Datastore.Allocate", "Datastore.AllocateSpace", "Datastore.AllocateTemplate", "Datastore.Audit"}},
			{Name: "LabctlNetwork", Privileges: []string{"Sys.AccessNetwork"}},
		},
		Users: []UserSpec{
			{ID: "root@pam", Password: SandboxTokenSecret},
			{ID: "labctl@pve", Tokens: []TokenSpec{{Name: "run", Secret: SandboxTokenSecret, Privsep: true}}},
		},
		Grants:    sandboxGrants(),
		Downloads: map[string]FileSpec{SandboxImage: {SizeBytes: 600 << 20, VirtualBytes: 2252 << 20}},
		Timings:   Quick(),
	}
}

// sandboxForeigner is a VM that is none of a lab's business.
func sandboxForeigner() VMSpec {
	return VMSpec{VMID: SandboxForeignVM, Name: "nas", Running: true, Config: map[string]string{
		"cores": "4", "memory": "8192", "ostype": "l26", "agent": "1", "boot": "order=scsi0", "onboot": "1",
		"scsihw": "virtio-scsi-single", "scsi0": SandboxStorage + ":16", "scsi1": SandboxStorage + ":200,discard=on",
		"net0": "virtio,bridge=" + SandboxBridge,
	}}
}

// sandboxVMPrivileges is all that the life of a lab needs on its pool.
func sandboxVMPrivileges(major int) []string {
	privileges := []string{
		"VM.Allocate", "VM.Audit", "VM.Clone", "VM.PowerMgmt", "VM.Config.CPU", "VM.Config.Memory", "VM.Config.Disk",
		"VM.Config.Network", "VM.Config.Options", "VM.Config.Cloudinit", "VM.Config.CDROM", "VM.Config.HWType", "Pool.Audit",
	}
	if major == 8 {
		return append(privileges, "VM.Monitor")
	}
	return append(privileges, "VM.GuestAgent.Audit", "VM.GuestAgent.FileRead")
}

func sandboxGrants() []GrantSpec {
	var grants []GrantSpec
	for _, who := range []string{"labctl@pve", SandboxTokenID} { // privilege separation: the user and the token
		grants = append(grants,
			GrantSpec{Path: "/pool/" + SandboxPool, Who: who, Role: "LabctlVM", Propagate: true},
			GrantSpec{Path: "/vms/9000", Who: who, Role: "PVETemplateUser", Propagate: true},
			GrantSpec{Path: "/storage/" + SandboxStorage, Who: who, Role: "LabctlStore", Propagate: true},
			GrantSpec{Path: "/storage/local", Who: who, Role: "LabctlImages", Propagate: true}, // for template builds and labs with cloudInit.mode iso
			GrantSpec{Path: "/nodes/" + SandboxNode, Who: who, Role: "LabctlNetwork", Propagate: true},
			GrantSpec{Path: "/sdn/zones/localnetwork/" + SandboxBridge, Who: who, Role: "PVESDNUser", Propagate: true},
		)
	}
	return grants
}
