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
	"labctl/pkg/lab/inventory"
	"labctl/pkg/pve"
	"labctl/pkg/pvesim"
	"labctl/pkg/remote"
)

// lacks is the finding of missing privileges on a path.
func lacks(path string, privileges ...string) []string {
	return []string{fmt.Sprintf("error: privileges: the token labctl@pve!run lacks %s on %s, which", strings.Join(privileges, ", "), path)}
}

// broken is a server, lab or network with something wrong, and all that is to be said of it, at every severity: the
// beginning of each finding as "severity: check: problem", and a part of a command that puts it right.
type broken struct {
	harm    func(w *testbed)
	want    []string
	command string
	major   int // 0: on every version
}

// TestBrokenServers examines what has one thing wrong each. Together the findings are of every precondition.
func TestBrokenServers(t *testing.T) {
	found := map[string]bool{}
	for _, major := range []int{8, 9} {
		for _, servers := range []map[string]broken{brokenServers, brokenTemplates, brokenClusters} {
			for name, test := range servers {
				if test.major != 0 && test.major != major {
					continue
				}
				t.Run(fmt.Sprintf("%d/%s", major, name), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						w := newTestbed(major)
						test.harm(w)
						report := w.examine(t)
						checkFindings(t, report, test.want)
						if test.command != "" && !strings.Contains(commands(report), test.command) {
							t.Errorf("no command %q in\n%s", test.command, commands(report))
						}
						for _, check := range report.Checks {
							for _, finding := range check.Findings {
								found[finding.ID] = true
							}
						}
					})
				})
			}
		}
	}
	for _, id := range doctor.PreconditionIDs() {
		if !found[id] {
			t.Errorf("no test breaks the precondition %s", id)
		}
	}
}

var brokenServers = map[string]broken{
	"server has another certificate": {
		harm: func(w *testbed) { w.network = noNetwork{&pve.FingerprintError{Want: "AA", Got: "BB"}} },
		want: []string{"error: server: "}, command: doctor.FingerprintCommand,
	},
	"version lets only root turn off cloud-init's upgrade": {
		harm: func(w *testbed) { w.topology.Version = "8.0.4" },
		want: []string{"warning: version: Proxmox VE 8.0.4 may let only root"}, command: "apt update && apt dist-upgrade", major: 8,
	},
	"bridge is down": {
		harm: func(w *testbed) {
			w.answers = strings.NewReplacer(`"active":1,"type":"bridge"`, `"type":"bridge"`, `"active":1`, `"active":0`)
		},
		want: []string{"error: bridge: bridge vmbr0 of node pve is not up"}, command: "ifup vmbr0",
	},
	"another storage is silent": {
		harm: func(w *testbed) {
			w.topology.Storages = append(w.topology.Storages, pvesim.StorageSpec{Name: "nas", Type: "dir", Path: "/mnt/nas", Content: []string{"images"}, Inactive: true, TotalBytes: 1 << 40})
			w.grant("/storage/nas", "LabctlStore")
		},
		want: []string{"note: storage: storage nas does not answer on node pve"},
	},
	"storage for cloud-init images takes none": {
		harm: func(w *testbed) {
			w.replaced("node: pve\n", "node: pve\ncloudInit: {mode: iso, storage: local}\n")
			w.topology.Storages[0].Content = []string{"vztmpl"}
		},
		want: []string{"error: storage: storage local is not for ISO images: its content is vztmpl, without iso"}, command: "pvesm set local --content vztmpl,iso",
	},
	"storage for cloud-init images is not there": {
		harm: func(w *testbed) {
			w.replaced("node: pve\n", "node: pve\ncloudInit: {mode: iso, storage: elsewhere}\n")
			w.grant("/storage/elsewhere", "LabctlImages")
		},
		want: []string{"error: storage: there is no storage elsewhere on node pve for the cloud-init images"},
	},
	"somebody's disks lie under the first VMIDs, and the token sees them": {
		harm: func(w *testbed) {
			w.grant("/", "Administrator")
			w.storage(func(s *pvesim.StorageSpec) {
				s.Orphans = []pvesim.OrphanSpec{{VMID: 9100, Name: "vm-9100-disk-0", SizeBytes: 1 << 30}}
			})
		},
		want: []string{"note: vmids: VMID 9100 is passed over: no VM has it, and zfs:vm-9100-disk-0 lies under it"},
	},
	"a VM of the lab is not what the spec asks for": {
		harm: func(w *testbed) {
			w.topology.VMs = append(w.topology.VMs, pvesim.VMSpec{VMID: 9100, Name: "check-one", Pool: pvesim.SandboxPool, Running: true, Config: map[string]string{
				"cores": "1", "description": inventory.Mark{Lab: "check", Owner: "me@here", Run: "r", VM: "one", Version: "test"}.Description(),
			}})
			w.input.Up = []doctor.UpVM{{Name: "one", Ref: pve.VMRef{Node: "pve", ID: 9100}}}
		},
		want: []string{"error: vms: VM one (9100) is not what the spec asks for: cores is 1, wanted 2"},
	},
	"this machine is not as it should be": {
		harm: func(w *testbed) {
			w.input.Machine = func(context.Context) []doctor.Finding {
				return []doctor.Finding{{Severity: doctor.Warning, Problem: "others may read x"}}
			}
		},
		want: []string{"warning: machine: others may read x"},
	},
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
