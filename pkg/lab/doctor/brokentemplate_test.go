package doctor_test

import (
	"labctl/pkg/pvesim"
)

// brokenTemplates are servers whose template is not as it should be.
var brokenTemplates = map[string]broken{
	"template cannot be seen": {
		harm: func(w *testbed) { w.ungranted("/vms/9000", pvesim.SandboxTokenID) },
		want: lacks("/vms/9000", "VM.Audit", "VM.Clone"), command: "--privs 'VM.Audit VM.Clone'",
	},
	"template's configuration cannot be read": {
		harm: func(w *testbed) { w.refuse("/nodes/pve/qemu/9000/config", 500, "unable to read file") },
		want: []string{"error: template: the template could not be read: reading template 9000: GET /nodes/pve/qemu/9000/config: 500"},
	},
	"template is missing": {
		harm: func(w *testbed) { w.replaced("{vmid: 9000}", "{name: debian-12}") },
		want: []string{"error: template: template debian-12 on node pve: not found; the token sees 9000 (ubuntu-2204 on pve)"},
	},
	"template's VMID is nobody's": {
		harm: func(w *testbed) { w.replaced("{vmid: 9000}", "{vmid: 9999}") },
		want: []string{"error: template: template 9999 on node pve: not found; the token sees 9000"},
	},
	"template's name is not unique": {
		harm: func(w *testbed) {
			w.replaced("{vmid: 9000}", "{name: ubuntu-2204}")
			twin := w.topology.Templates[0]
			twin.VMID = 9001
			w.topology.Templates = append(w.topology.Templates, twin)
			for _, who := range []string{"labctl@pve", pvesim.SandboxTokenID} {
				w.topology.Grants = append(w.topology.Grants, pvesim.GrantSpec{Path: "/vms/9001", Who: who, Role: "PVETemplateUser"})
			}
		},
		want: []string{"error: template: the templates 9000, 9001 are all called ubuntu-2204"},
	},
	"template is on another node": {
		harm: func(w *testbed) {
			w.topology.Nodes = append(w.topology.Nodes, pvesim.NodeSpec{Name: "pve2", Bridges: []string{"vmbr0"}})
			w.topology.Templates[0].Node = "pve2"
		},
		want: []string{"error: template: template 9000 on node pve: it is on node pve2"},
	},
	"template is a VM": {
		harm: func(w *testbed) { w.template(map[string]string{"template": ""}) },
		want: []string{"error: template: template 9000 on node pve: VM 9000 is not a template"},
	},
	"template is locked": {
		harm: func(w *testbed) { w.template(map[string]string{"lock": "backup"}) },
		want: []string{"error: template: template 9000 is locked (backup)"}, command: "qm unlock 9000",
	},
	"template has no disk": {
		harm: func(w *testbed) { w.template(map[string]string{"scsi0": ""}) },
		want: []string{"error: template: planning VM one: template 9000 has no disk to boot from"},
	},
	"template's disk is too large": {
		harm: func(w *testbed) { w.topology.Templates[0].DiskMiB = 20 << 10 },
		want: []string{"error: template: planning VM one: the template's disk scsi0 has 20GiB"},
	},
	"template has no cloud-init drive": {
		harm: func(w *testbed) { w.template(map[string]string{"ide2": ""}) },
		want: []string{"error: template: template 9000 has no cloud-init drive"}, command: "qm set 9000 --ide2 zfs:cloudinit",
	},
	"template has its own user data": {
		harm: func(w *testbed) { w.template(map[string]string{"cicustom": "user=local:snippets/u.yaml"}) },
		want: []string{"error: template: template 9000 has cicustom=user=local:snippets/u.yaml, which its clones would inherit"}, command: "qm set 9000 --delete cicustom",
	},
	"template has no agent": {
		harm: func(w *testbed) { w.template(map[string]string{"agent": ""}) },
		want: []string{"warning: template: template 9000 does not have the guest agent switched on"}, command: "qm set 9000 --agent enabled=1",
	},
	"template is in HA": {
		harm: func(w *testbed) { w.topology.HAManaged = []int{9000} },
		want: []string{"warning: template: template 9000 is managed by HA"}, command: "ha-manager remove vm:9000",
	},
	"template has surprises that labctl overrules": {
		harm: func(w *testbed) {
			w.template(map[string]string{"protection": "1", "onboot": "1", "tags": "debian;golden", "scsihw": "lsi"})
		},
		want: []string{
			"note: template: template 9000 is protected", "note: template: template 9000 has onboot",
			"note: template: template 9000 has the tags debian, golden", "note: template: template 9000 has the SCSI controller \"lsi\"",
		},
	},
	"template needs its controller changed, and the token may not": {
		harm: func(w *testbed) {
			w.template(map[string]string{"scsihw": "virtio-scsi-pci"})
			w.without("LabctlVM", "VM.Config.HWType")
		},
		want:    append(lacks("/pool/labctl", "VM.Config.HWType"), "note: template: template 9000 has the SCSI controller"),
		command: "pveum role modify LabctlVM --append 1 --privs VM.Config.HWType",
	},
	"template has a disk where the data disk goes": {
		harm: func(w *testbed) { w.template(map[string]string{"scsi1": "zfs:base-9000-disk-1,size=1G"}) },
		want: []string{"error: template: template 9000 has a drive at scsi1"}, command: "qm set 9000 --delete scsi1",
	},
	"template has a second disk, a second network and a PCI device": {
		harm: func(w *testbed) {
			w.template(map[string]string{"scsi5": "zfs:base-9000-disk-1,size=1G", "net1": "virtio,bridge=vmbr0", "hostpci0": "01:00"})
		},
		want: []string{
			"warning: template: template 9000 has more than one disk", "warning: template: template 9000 has net1=virtio,bridge=vmbr0, which its clones inherit",
			"error: template: template 9000 has hostpci0=01:00, which its clones would inherit, and only root may clear",
		},
		command: "qm set 9000 --delete hostpci0",
	},
	"template is on a storage that the token may not use": {
		harm: func(w *testbed) {
			w.topology.Storages = append(w.topology.Storages, pvesim.StorageSpec{Name: "golden", Type: "zfspool", Dataset: "golden", Content: []string{"images"}, TotalBytes: 1 << 40})
			w.topology.Templates[0].Storage = "golden"
		},
		want: lacks("/storage/golden", "Datastore.AllocateSpace", "Datastore.Audit"),
	},
	"template has an unused disk, which PVE leaves out of clones": {
		harm: func(w *testbed) { w.template(map[string]string{"unused0": "zfs:base-9000-disk-7"}) },
	},
	"template has only an unused cloud-init drive": {
		harm:    func(w *testbed) { w.template(map[string]string{"ide2": "", "unused0": "zfs:vm-9000-cloudinit"}) },
		want:    []string{"error: template: template 9000 has no cloud-init drive"},
		command: "qm set 9000 --ide2 zfs:cloudinit",
	},
	"template has a CD where cloud-init would go": {
		harm:    func(w *testbed) { w.template(map[string]string{"ide2": "local:iso/x.iso,media=cdrom"}) },
		want:    []string{"error: template: template 9000 has no cloud-init drive"},
		command: "qm set 9000 --ide0 zfs:cloudinit",
	},
	"template boots from its second disk": {
		harm: func(w *testbed) {
			w.template(map[string]string{"scsi5": "zfs:base-9000-disk-0,size=2252M", "scsi0": "zfs:base-9000-disk-1,size=1G", "boot": "order=scsi5"})
		},
		want:    []string{"warning: template: template 9000 has more than one disk: every clone gets them all (scsi0)"},
		command: "qm set 9000 --delete scsi0",
	},
	"template is protected and has a second disk": {
		harm: func(w *testbed) {
			w.template(map[string]string{"scsi5": "zfs:base-9000-disk-1,size=1G", "protection": "1"})
		},
		want:    []string{"warning: template: template 9000 has more than one disk", "note: template: template 9000 is protected"},
		command: "qm set 9000 --protection 0 && qm set 9000 --delete scsi5 && qm set 9000 --protection 1",
	},
	"template's disk is raw on a directory, of which PVE makes linked clones": {
		harm: func(w *testbed) { w.templateOn("dir", "local") },
	},
	"template's disk is no base volume": {
		harm:    func(w *testbed) { w.template(map[string]string{"scsi0": "zfs:vm-9000-disk-0,size=2252M"}) },
		want:    []string{"error: template: the disk scsi0 of template 9000, zfs:vm-9000-disk-0, is no base volume"},
		command: "qm template 9000 --disk scsi0",
	},
	"template's TPM state is no base volume, and copied": {
		harm: func(w *testbed) {
			w.template(map[string]string{"tpmstate0": "zfs:vm-9000-disk-3,size=4M,version=v2.0"})
		},
	},
	"template hands on what only root may clear": {
		harm: func(w *testbed) {
			w.template(map[string]string{"args": "-no-reboot", "hookscript": "local:snippets/hook.sh", "affinity": "0-1", "hugepages": "2"})
		},
		want: []string{
			"error: template: template 9000 has args=-no-reboot, which its clones would inherit, and only root may clear",
			"error: template: template 9000 has hookscript=local:snippets/hook.sh, which", "error: template: template 9000 has affinity=0-1, which",
			"error: template: template 9000 has hugepages=2, which",
		},
		command: "qm set 9000 --delete hookscript",
	},
	"template hands on what up resets": {
		harm: func(w *testbed) {
			w.template(map[string]string{"sockets": "2", "vcpus": "1", "cpulimit": "1.5", "cpuunits": "200", "numa": "1", "net0": "virtio=BC:24:11:AA:BB:CC,bridge=vmbr0,link_down=1"})
		},
		want: []string{
			"note: template: template 9000 has sockets=2, which `up` resets in its clones: the vCPUs are sockets × cores",
			"note: template: template 9000 has vcpus=1, which `up` resets", "note: template: template 9000 has cpulimit=1.5, which `up` resets",
			"note: template: template 9000 has cpuunits=200, which `up` resets", "note: template: template 9000 has numa=1, which `up` resets",
			"note: template: template 9000 has net0.link_down=1, which `up` resets",
		},
	},
	"template hands on what stays": {
		harm: func(w *testbed) {
			w.template(map[string]string{"kvm": "0", "nameserver": "9.9.9.9", "searchdomain": "corp.example", "scsi0": "zfs:base-9000-disk-0,size=2252M,mbps_rd=50,iops_max=9"})
		},
		want: []string{
			"warning: template: template 9000 has kvm=0, which its clones inherit", "note: template: template 9000 has nameserver=9.9.9.9, which its clones inherit",
			"note: template: template 9000 has searchdomain=corp.example, which its clones inherit",
			"warning: template: template 9000 has scsi0.mbps_rd=50, which its clones inherit", "warning: template: template 9000 has scsi0.iops_max=9, which",
		},
		command: "qm set 9000 --delete nameserver",
	},
	"template has a nameserver, and the lab another one": {
		harm: func(w *testbed) {
			w.replaced("gateway: 10.10.10.1", "gateway: 10.10.10.1, nameserver: 10.10.10.1")
			w.template(map[string]string{"nameserver": "9.9.9.9"})
		},
	},
	"template is in a VLAN of another bridge": {
		harm: func(w *testbed) {
			w.template(map[string]string{"net0": "virtio=BC:24:11:AA:BB:CC,bridge=vmbr1,tag=20,mtu=9000"})
		},
		want: append(lacks("/sdn/zones/localnetwork/vmbr1/20", "SDN.Use"), // what is granted on vmbr0 reaches down to its VLANs
			"note: template: template 9000 has net0.tag=20, which its clones inherit", "note: template: template 9000 has net0.mtu=9000, which"),
		command: "pveum acl modify /sdn/zones/localnetwork/vmbr1/20",
	},
	"template has a CPU model of the administrator's": {
		harm: func(w *testbed) {
			w.topology.Version = "9.2.11"
			w.template(map[string]string{"cpu": "custom-fast"})
		},
		want: lacks("/mapping/cpu/fast", "Mapping.Use"), command: "pveum acl modify /mapping/cpu/fast", major: 9,
	},
	"template has a CPU model of the administrator's, on a server that does not ask": {
		harm: func(w *testbed) { w.template(map[string]string{"cpu": "custom-fast"}) }, major: 8,
	},
	"template has a mapped device": {
		harm: func(w *testbed) { w.template(map[string]string{"hostpci0": "mapping=gpu"}) },
		want: append(lacks("/mapping/pci/gpu", "Mapping.Use"), "warning: template: template 9000 has hostpci0=mapping=gpu, which its clones inherit"),
	},
}

// brokenClusters are labs over several nodes of which one lacks something.
var brokenClusters = map[string]broken{
	"second node has no such bridge": {
		harm: func(w *testbed) {
			w.cluster()
			w.topology.Nodes[1].Bridges = []string{"vmbr1"}
		},
		want: []string{"error: cluster: node pve2 has no bridge vmbr0 that the token may use"},
	},
	"second node has few cores, and the token sees them": {
		harm: func(w *testbed) {
			w.cluster()
			w.topology.Nodes[1].CPUs = 1
			w.auditNodes()
		},
		want: []string{"error: cluster: node pve2 has 1 cores, and b is to have 2"},
	},
	"template of the third node hands on a hook script": {
		harm: func(w *testbed) {
			w.cluster()
			w.topology.Templates[2].Config = map[string]string{"hookscript": "local:snippets/hook.sh"}
		},
		want: []string{"error: cluster: template 9003 has hookscript=local:snippets/hook.sh"}, command: "qm set 9003 --delete hookscript",
	},
	"third node is offline": {
		harm: func(w *testbed) {
			w.cluster()
			w.topology.Nodes[2].Offline = true
		},
		want: []string{"error: cluster: node pve3 is offline"}, command: "pvecm status",
	},
}

// cluster makes it a lab over three nodes.
func (w *testbed) cluster() { w.topology, w.lab = pvesim.ClusterTopology(w.topology.Major), wideLab }

// auditNodes lets the token see what the nodes have.
func (w *testbed) auditNodes() {
	w.topology.Roles = append(w.topology.Roles, pvesim.RoleSpec{Name: "Auditor", Privileges: []string{"Sys.Audit"}})
	for _, node := range w.topology.Nodes {
		w.grant("/nodes/"+node.Name, "Auditor")
	}
}

// templateOn moves the template's disks to a storage that the token may use.
func (w *testbed) templateOn(kind, storage string) {
	for i := range w.topology.Storages {
		if s := &w.topology.Storages[i]; s.Name == storage {
			s.Type, s.Content = kind, append(s.Content, "images")
		}
	}
	w.topology.Templates[0].Storage = storage
	w.grant("/storage/"+storage, "LabctlStore")
}
