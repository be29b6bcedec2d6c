package doctor_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"labctl/pkg/lab/doctor"
	"labctl/pkg/pvesim"
	"labctl/pkg/remote"
)

// lacks is the finding of missing privileges on a path.
func lacks(path string, privileges ...string) []string {
	return []string{fmt.Sprintf("error: privileges: the token labctl@pve!run lacks %s on %s, which", strings.Join(privileges, ", "), path)}
}

// TestBrokenServers has servers, labs and networks with one thing wrong each, and all that the doctor must say of it, at
// every severity: the beginning of each finding as "severity: check: problem", and a part of a command that puts it right.
func TestBrokenServers(t *testing.T) {
	type broken = struct {
		harm    func(w *testbed)
		want    []string
		command string
	}
	servers := map[string]broken{
		"server is down": {
			harm: func(w *testbed) {
				w.network = noNetwork{&net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}}
			},
			want: []string{"error: server: no Proxmox VE server at https://pve.invalid:8006"},
		},
		"secret is wrong": {
			harm: func(w *testbed) { w.secret = "00000000-0000-4000-8000-00000000dead" },
			want: []string{"error: server: the server does not take the token labctl@pve!run"}, command: "pveum user token list labctl@pve",
		},
		"token is unknown": {
			harm: func(w *testbed) { w.input.TokenID = "labctl@pve!gone" },
			want: []string{"error: server: the server does not take the token labctl@pve!gone"}, command: "pveum user token remove labctl@pve gone",
		},
		"token has expired": {
			harm: func(w *testbed) { w.topology.Users[1].Tokens[0].Expires = time.Now().Add(-time.Hour) },
			want: []string{"error: server: the server does not take the token labctl@pve!run"}, command: "pveum user token list",
		},
		"user is disabled": {
			harm: func(w *testbed) { w.topology.Users[1].Disabled = true },
			want: []string{"error: server: the server does not take the token labctl@pve!run"}, command: "pveum user list",
		},
		"no Proxmox VE but a web server": {
			harm: func(w *testbed) { w.refuse("/version", 502, "Bad Gateway") },
			want: []string{"error: server: GET /version: 502 Bad Gateway"},
		},
		"version is too old": {
			harm: func(w *testbed) { w.topology.Version = "7.4-19" },
			want: []string{"error: version: Proxmox VE 7.4-19 is too old"}, command: "pve7to8",
		},
		"version is newer than known": {
			harm: func(w *testbed) {
				w.topology = pvesim.SandboxTopology(9)
				w.topology.Version = "10.0.2"
			},
			want: []string{"warning: version: Proxmox VE 10.0.2 is newer"},
		},
		"clock is ahead": {
			harm: func(w *testbed) { w.topology.ClockSkew = 7 * time.Minute },
			want: []string{"warning: clock: the server's clock is 7m0s ahead of this machine's"}, command: "timedatectl",
		},
		"clock is behind": {
			harm: func(w *testbed) { w.topology.ClockSkew = -2 * time.Hour },
			want: []string{"warning: clock: the server's clock is 2h0m0s behind"}, command: "timedatectl",
		},
		"node is called otherwise": {
			harm: func(w *testbed) { w.replaced("node: pve\n", "node: pve2\n") },
			want: []string{"error: node: there is no node pve2; there are: pve"},
		},
		"node is offline": {
			harm: func(w *testbed) { w.topology.Nodes[0].Offline = true },
			want: []string{"error: node: node pve is offline"}, command: "pvecm status",
		},
		"pool is missing": {
			harm: func(w *testbed) { w.replaced("node: pve\n", "node: pve\npool: other\n") },
			want: []string{
				"error: privileges: the token labctl@pve!run lacks Pool.Audit, VM.Allocate, VM.Audit, VM.PowerMgmt, VM.Config.Disk, VM.Config.CPU, ",
				"note: pool: whether there is a pool other cannot be seen; the token sees: labctl",
			},
			command: "pveum pool modify other || pveum pool add other",
		},
		"pool is missing, and there are grants for it": {
			harm: func(w *testbed) { w.topology.Pools = nil },
			want: []string{"error: pool: there is no pool labctl; there are: none"}, command: "pveum pool modify labctl || pveum pool add labctl",
		},
		"privilege on the pool is missing": {
			harm: func(w *testbed) { w.without("LabctlVM", "VM.PowerMgmt") },
			want: lacks("/pool/labctl", "VM.PowerMgmt"), command: "pveum role modify LabctlVM --append 1 --privs VM.PowerMgmt",
		},
		"volumes cannot be seen": {
			harm: func(w *testbed) { w.without("LabctlStore", "Datastore.Audit") },
			want: lacks("/storage/zfs", "Datastore.Audit"), command: "pveum role modify LabctlStore --append 1 --privs Datastore.Audit",
		},
		"the user has no right to the storage, the token has": {
			harm: func(w *testbed) { w.ungranted("/storage/zfs", "labctl@pve") },
			want: append(lacks("/storage/zfs", "Datastore.AllocateSpace", "Datastore.Audit"),
				"note: storage: whether there is a storage zfs on node pve cannot be seen"),
			command: "pveum acl modify /storage/zfs --users labctl@pve --tokens 'labctl@pve!run' --roles LabctlStore",
		},
		"the token has no right to the bridge, the user has": {
			harm: func(w *testbed) { w.ungranted("/sdn/zones/localnetwork/vmbr0", pvesim.SandboxTokenID) },
			want: lacks("/sdn/zones/localnetwork/vmbr0", "SDN.Use"), command: "pveum acl modify /sdn/zones/localnetwork/vmbr0",
		},
		"template cannot be seen": {
			harm: func(w *testbed) { w.ungranted("/vms/9000", pvesim.SandboxTokenID) },
			want: lacks("/vms/9000", "VM.Audit", "VM.Clone"), command: "--privs 'VM.Audit VM.Clone'",
		},
		"storage is called otherwise": {
			harm: func(w *testbed) { w.replaced("storage: zfs", "storage: tank") },
			want: append(lacks("/storage/tank", "Datastore.AllocateSpace", "Datastore.Audit"),
				"note: storage: whether there is a storage tank on node pve cannot be seen; usable for VM disks are: zfs"),
		},
		"storage is disabled": {
			harm: func(w *testbed) { w.storage(func(s *pvesim.StorageSpec) { s.Disabled = true }) },
			want: []string{"error: storage: storage zfs is disabled"}, command: "pvesm set zfs --disable 0",
		},
		"storage does not answer": {
			harm: func(w *testbed) { w.storage(func(s *pvesim.StorageSpec) { s.Inactive = true }) },
			want: []string{"error: storage: storage zfs does not answer"}, command: "zpool status",
		},
		"storage takes no VM disks": {
			harm: func(w *testbed) { w.storage(func(s *pvesim.StorageSpec) { s.Content = []string{"rootdir"} }) },
			want: []string{"error: storage: storage zfs is not for VM disks: its content is rootdir"}, command: "pvesm set zfs --content rootdir,images",
		},
		"storage makes thick disks": {
			harm: func(w *testbed) { w.storage(func(s *pvesim.StorageSpec) { s.Sparse = false }) },
			want: []string{"error: storage: storage zfs makes thick disks, and the lab spec wants thin (sparse) ones"}, command: "pvesm set zfs --sparse 1",
		},
		"storage has another blocksize": {
			harm: func(w *testbed) { w.storage(func(s *pvesim.StorageSpec) { s.BlockSize = "8k" }) },
			want: []string{"error: storage: storage zfs gives its disks the blocksize 8k, and the lab spec wants 64k"}, command: "pvesm set zfs --blocksize 64k",
		},
		"storage has ZFS's own blocksize": {
			harm: func(w *testbed) { w.storage(func(s *pvesim.StorageSpec) { s.BlockSize = "" }) },
			want: []string{"error: storage: storage zfs gives its disks the blocksize 16k, which is ZFS's default"}, command: "pvesm set zfs --blocksize 64k",
		},
		"storage is too full for thick disks": {
			harm: func(w *testbed) {
				w.replaced("sparse: true", "sparse: false")
				w.storage(func(s *pvesim.StorageSpec) { s.Sparse, s.OtherBytes = false, 600<<30 })
			},
			want: []string{"error: storage: storage zfs has 81.8GiB free, and the lab's disks take 128GiB at once"}, command: "pvesm set zfs --sparse 1",
		},
		"storage may run full": {
			harm: func(w *testbed) { w.storage(func(s *pvesim.StorageSpec) { s.OtherBytes = 700 << 30 }) },
			want: []string{"warning: storage: storage zfs has"},
		},
		"storages cannot be listed": {
			harm: func(w *testbed) { w.refuse("/nodes/pve/storage", 596, "Connection timed out") },
			want: []string{"error: storage: the list of storages of node pve could not be read: GET /nodes/pve/storage: 596"},
		},
		"storage hangs": {
			harm: func(w *testbed) {
				w.faults.Faults = append(w.faults.Faults, pvesim.Fault{
					Name: "hang", Volume: &pvesim.VolumeMatch{Operation: "status", Storage: "zfs"}, Times: -1, Do: pvesim.Action{Delay: time.Minute},
				})
			},
			want: []string{"error: storage: storage zfs does not answer"}, command: "pvesm status --storage zfs",
		},
		"settings of storages cannot be read": {
			harm: func(w *testbed) { w.refuse("/storage", 500, "got timeout") },
			want: []string{"error: storage: the settings of the storages could not be read: GET /storage: 500 got timeout"},
		},
		"privileges cannot be asked for": {
			harm: func(w *testbed) { w.refuse("/access/permissions", 500, "unable to open file") },
			want: []string{"error: privileges: the privileges of the token could not be read: asking for the token's privileges: GET /access/permissions: 500"},
		},
		"nodes cannot be listed": {
			harm: func(w *testbed) { w.refuse("/nodes", 500, "cluster not ready - no quorum?") },
			want: []string{"error: node: the list of nodes could not be read: GET /nodes: 500 cluster not ready - no quorum?"},
		},
		"connection breaks at the list of VMs": {
			harm: func(w *testbed) {
				w.faults.Faults = append(w.faults.Faults, pvesim.Fault{
					Name: "cut", Request: &pvesim.RequestMatch{Path: "/cluster/resources"}, Times: -1, Do: pvesim.Action{Drop: "before"},
				})
			},
			want: []string{
				"error: privileges: the list of VMs could not be read: no Proxmox VE server at",
				"error: template: the list of VMs could not be read", "error: vmids: the list of VMs could not be read",
			},
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
		"bridge is missing": {
			harm: func(w *testbed) {
				w.topology.Nodes[0].Bridges = []string{"vmbr1"}
				for _, who := range []string{"labctl@pve", pvesim.SandboxTokenID} {
					w.topology.Grants = append(w.topology.Grants, pvesim.GrantSpec{Path: "/sdn/zones/localnetwork/vmbr1", Who: who, Role: "PVESDNUser"})
				}
			},
			want: []string{"error: bridge: node pve has no bridge vmbr0 that the token may use; there are: vmbr1"},
		},
		"addresses are of another network": {
			harm: func(w *testbed) { w.topology.Nodes[0].Address = netip.MustParsePrefix("172.16.0.5/16") },
			want: []string{"warning: bridge: the lab's addresses 10.10.10.{51..59}/24 are not in the network 172.16.0.0/16 of bridge vmbr0"},
		},
		"address is the node's own": {
			harm: func(w *testbed) { w.topology.Nodes[0].Address = netip.MustParsePrefix("10.10.10.55/24") },
			want: []string{"error: bridge: the lab's addresses 10.10.10.{51..59}/24 contain 10.10.10.55"},
		},
		"VMIDs are taken": {
			harm: func(w *testbed) {
				w.replaced("last: 9109", "last: 9101")
				w.topology.VMs = append(w.topology.VMs, pvesim.VMSpec{VMID: 9101, Name: "somebody"})
			},
			want: []string{"error: vmids: only 1 of 2 VMIDs are free in the range 9100-9101"},
		},
		"address belongs to another VM": {
			harm: func(w *testbed) {
				w.topology.VMs = append(w.topology.VMs, pvesim.VMSpec{
					VMID: 300, Name: "other", Pool: pvesim.SandboxPool, Config: map[string]string{"ipconfig0": "ip=10.10.10.52/24,gw=10.10.10.1"},
				})
			},
			want: []string{"error: addresses: the address 10.10.10.52 of two is that of VM 300"},
		},
		"address is taken": {
			harm: func(w *testbed) {
				w.input.Reach = func(_ context.Context, address string) error {
					if address == "10.10.10.51" {
						return nil
					}
					return errors.New("refused")
				}
			},
			want: []string{"error: addresses: the address 10.10.10.51 of one is taken"}, command: "ssh-keyscan 10.10.10.51",
		},
		"no route to the guests": {
			harm: func(w *testbed) { w.input.Route = func(netip.Addr) error { return syscall.ENETUNREACH } },
			want: []string{
				"error: addresses: this machine has no route to 10.10.10.51", "error: addresses: this machine has no route to 10.10.10.52",
			},
			command: "ip route get 10.10.10.51",
		},
		"host cannot be reached": {
			harm: func(w *testbed) {
				w.hostErr = &remote.UnreachableError{Target: "pve", Address: "10.10.10.1:22", Hint: "no route", Err: syscall.EHOSTUNREACH}
			},
			want: []string{"error: host: the host pve cannot be logged in to: "}, command: "ssh root@10.10.10.1",
		},
		"host does not take the key": {
			harm: func(w *testbed) {
				w.hostErr = &remote.AuthError{Target: "pve", Address: "10.10.10.1:22", User: "root", KeyFingerprint: "SHA256:x", Err: errors.New("no")}
			},
			want: []string{"error: host: the host pve cannot be logged in to: "}, command: "ssh-copy-id -i '/home/me/.ssh/id lab' root@10.10.10.1",
		},
		"host has another key": {
			harm: func(w *testbed) {
				w.hostErr = &remote.HostKeyError{Target: "pve", Address: "10.10.10.1:22", Got: "SHA256:x", Err: errors.New("no")}
			},
			want: []string{"error: host: the host pve cannot be logged in to: "}, command: "ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key.pub",
		},
		"host has neither fio nor directory": {
			harm: func(w *testbed) { w.facts = map[string]string{"user": "root"} },
			want: []string{"error: host: the host pve has no directory /tank/labctl", "error: host: the host pve has no fio"}, command: "apt-get install fio",
		},
		"host has no room": {
			harm: func(w *testbed) { w.facts["directory_free_bytes"] = fmt.Sprint(500 << 20) },
			want: []string{"error: host: the directory /tank/labctl of host pve has 500MiB free, and the files of workload write take 1GiB"},
		},
		"everything at once": {
			harm: func(w *testbed) {
				w.without("LabctlVM", "VM.Allocate")
				w.storage(func(s *pvesim.StorageSpec) { s.BlockSize = "8k" })
				w.template(map[string]string{"agent": ""})
				w.topology.ClockSkew = time.Hour
				w.facts["fio_version"] = ""
			},
			want: append(lacks("/pool/labctl", "VM.Allocate"), "error: storage: storage zfs gives its disks the blocksize 8k",
				"warning: template: template 9000 does not have the guest agent", "warning: clock: the server's clock", "error: host: the host pve has no fio"),
		},
	}
	for _, major := range []int{8, 9} {
		for name, test := range servers {
			t.Run(fmt.Sprintf("%d/%s", major, name), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newTestbed(major)
					test.harm(w)
					report := w.examine(t)
					checkFindings(t, report, test.want)
					if test.command != "" && !strings.Contains(commands(report), test.command) {
						t.Errorf("no command %q in\n%s", test.command, commands(report))
					}
				})
			})
		}
	}
}

// checkFindings wants each of the findings once and no other.
func checkFindings(t *testing.T, report doctor.Report, want []string) {
	t.Helper()
	got := findings(report, doctor.Error, doctor.Warning, doctor.Note)
	for _, line := range want {
		at := -1
		for i := range got {
			if strings.HasPrefix(got[i], line) {
				at = i
			}
		}
		if at < 0 {
			t.Errorf("no finding %q", line)
			continue
		}
		got = append(got[:at:at], got[at+1:]...)
	}
	for _, line := range got {
		t.Errorf("unexpected finding %q", line)
	}
}

// commands are all commands of a report, one a line.
func commands(report doctor.Report) string {
	var lines []string
	for _, check := range report.Checks {
		for _, finding := range check.Findings {
			lines = append(lines, finding.Commands...)
		}
	}
	return strings.Join(lines, "\n")
}
