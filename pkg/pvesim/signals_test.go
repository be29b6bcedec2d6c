package pvesim

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// aborted starts two clones of which the second one waits for the storage lock, which the first one holds for as long as
// the fault says, aborts the second one after some time, and returns its exit status and how long the abort took.
func aborted(t *testing.T, cluster *Cluster, c *client, after time.Duration, args ...string) (status string, took time.Duration) {
	t.Helper()
	c.do(post, cloneOf101, "newid", "101", "pool", "labctl")
	upid := ok[string](c, post, cloneOf101, append([]string{"newid", "102", "pool", "labctl"}, args...)...)
	<-time.After(after)
	begin := time.Now()
	ok[*string](c, del, "/nodes/pve/tasks/"+upid)
	took = time.Since(begin)
	return c.wait(upid), took
}

// remains says what is left of a VM, past the API.
func remains(cluster *Cluster, id int) string {
	var parts []string
	if v, ok := cluster.VM(id); ok {
		parts = append(parts, "lock="+v.Config["lock"], "pool="+v.Pool)
	}
	for _, v := range cluster.Volumes() {
		if v.VMID == id {
			parts = append(parts, v.ID)
		}
	}
	return strings.Join(parts, " ")
}

// TestAbortedClone is what an abort makes of a clone, by where SIGTERM meets it.
func TestAbortedClone(t *testing.T) {
	const slowLink = "faults:\n- volume: {operation: clone, name: vm-101-*}\n  times: -1\n  do: {delay: 60s}\n"
	const slowCopy = "faults:\n- volume: {operation: create, name: vm-102-disk-0}\n  do: {delay: 60s}\n"
	for name, test := range map[string]struct {
		major  int
		faults string
		after  time.Duration
		args   []string
		status string
		took   time.Duration
		left   string
	}{
		"linked, owns a volume, waits for the lock": {
			8, slowLink, 2 * time.Second, nil, "unexpected status", 5 * time.Second, "lock=clone pool= zfs:vm-102-cloudinit",
		},
		"linked, in the pause of its own clean-up after its lock time-out": {
			9, slowLink, 10500 * time.Millisecond, nil, "received interrupt", 0, "lock=clone pool= zfs:vm-102-cloudinit",
		},
		"linked, waits for the lock in its own clean-up": {
			9, slowLink, 13 * time.Second, nil,
			"clone failed: can't lock file '/var/lock/pve-manager/pve-storage-zfs' - got timeout", 0, "zfs:vm-102-cloudinit",
		},
		"full, in the zfs command": {
			8, slowCopy, 2 * time.Second, []string{"full", "1"}, "clone failed: zfs error: interrupted by signal", 2 * time.Second, "",
		},
		"full, right after its POST on 9: the signal is swallowed": {
			9, slowCopy, 10 * time.Millisecond, []string{"full", "1"}, "unexpected status", 5 * time.Second, "lock=clone pool= zfs:vm-102-cloudinit",
		},
		"full, right after its POST on 8": {
			8, slowCopy, 10 * time.Millisecond, []string{"full", "1"}, "clone failed: interrupted by signal", time.Second, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			inSandbox(t, test.major, test.faults, func(t *testing.T, cluster *Cluster, c *client) {
				status, took := aborted(t, cluster, c, test.after, test.args...)
				<-time.After(time.Minute)
				if left := remains(cluster, 102); status != test.status || took != test.took || left != test.left {
					t.Errorf("%q after %v, left %q; want %q after %v, left %q", status, took, left, test.status, test.took, test.left)
				}
			})
		})
	}
}

// TestDaemonRestart is pvedaemon that is away, or is killed before or while it works (second-8.4/46-worker-races).
func TestDaemonRestart(t *testing.T) {
	inSandbox(t, 8, `
faults:
- request: {method: PUT, path: /nodes/pve/qemu/101/config, params: {cores: "1"}}
  do: {daemon: away}
- request: {method: GET, path: /nodes/pve/qemu/101/config}
  do: {daemon: away}
- request: {method: PUT, path: /nodes/pve/qemu/101/resize}
  do: {daemon: before}
- request: {method: PUT, path: /nodes/pve/qemu/101/config, params: {scsi2: "zfs:1"}}
  do: {daemon: during, delay: 3s}
- volume: {operation: create, name: vm-101-disk-1}
  do: {delay: 6s}
- request: {path: /nodes/pve/qemu/9000/clone, params: {newid: "102"}}
  do: {daemon: during}
`, func(t *testing.T, cluster *Cluster, c *client) {
		c.done(post, cloneOf101, "newid", "101", "pool", "labctl")
		before, _ := cluster.VM(101)
		walk(t, c, []visit{
			{"PUT", "~/101/config", "cores=1", "Connection refused", ""},
			{"GET", "~/101/config", "", "OK", ""},
			{"PUT", "~/101/resize", "disk=scsi0 size=9G", "Connection reset by peer", ""},
			{"PUT", "~/101/config", "scsi2=zfs:1", "Broken pipe", ""},
			{"POST", "~/9000/clone", "newid=102 pool=labctl", "Broken pipe", ""},
		})
		<-time.After(10 * time.Second)
		after, _ := cluster.VM(101)
		if after.Config["scsi0"] != before.Config["scsi0"] || after.Config["scsi2"] != "" || after.Config["cores"] != before.Config["cores"] {
			t.Errorf("changed: %v", after.Config)
		}
		if left := remains(cluster, 101); !strings.Contains(left, "zfs:vm-101-disk-1") {
			t.Errorf("no orphan: %s", left)
		}
		if v, _ := cluster.VM(102); v.Pool != "labctl" {
			t.Errorf("a task did not survive pvedaemon: %+v", v)
		}
		c.do(put, "/nodes/pve/qemu/101/config", "scsi2", "zfs:1")
		if v, _ := cluster.VM(101); !strings.HasPrefix(v.Config["scsi2"], "zfs:vm-101-disk-2") {
			t.Errorf("the next disk is %s", v.Config["scsi2"])
		}
	})
}

// TestLinkedCloneOnDirectory: a directory storage links to a raw base with a qcow2 overlay (second-8.4/45-storages, t.raw).
func TestLinkedCloneOnDirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := newSandbox(t, 8, func(topology *Topology) {
			topology.Storages[0].Content = append(topology.Storages[0].Content, "images")
			topology.Templates[0].Storage = "local"
		})
		c := newClient(t, cluster)
		c.done(post, cloneOf101, "newid", "101", "pool", "labctl")
		const volume = "local:9000/base-9000-disk-0.raw/101/vm-101-disk-0.qcow2"
		if v, _ := cluster.VM(101); !strings.HasPrefix(v.Config["scsi0"], volume+",") {
			t.Errorf("scsi0 is %s", v.Config["scsi0"])
		}
		list := ok[[]imageVolume](asRoot(t, cluster), get, "/nodes/pve/storage/local/content", "vmid", "101", "content", "images")
		if !slices.ContainsFunc(list, func(v imageVolume) bool {
			return v.VolID == volume && v.Format == "qcow2" && v.Parent != nil && *v.Parent == "../9000/base-9000-disk-0.raw"
		}) {
			t.Errorf("content %+v", list)
		}
		c.done(del, "/nodes/pve/qemu/101", "purge", "1")
		if left := remains(cluster, 101); left != "" {
			t.Errorf("left %q", left)
		}
	})
}

// TestCloneInherits is what a clone takes over from its template (second-8.4/43-template-inheritance, clone.linked.config.lp),
// and what it needs for it on 9.
func TestCloneInherits(t *testing.T) {
	for major, refusal := range map[int]string{8: "", 9: "Permission check failed (/mapping/cpu/lab, Mapping.Use)"} {
		synctest.Test(t, func(t *testing.T) {
			cluster := newSandbox(t, major, func(topology *Topology) {
				topology.Templates[0].Config = map[string]string{
					"cpu": "custom-lab", "hookscript": "local:snippets/hook.sh", "args": "-d x", "affinity": "0", "protection": "1",
					"unused0": "zfs:vm-9000-disk-7", "smbios1": "uuid=11111111-2222-4333-8444-555555555555,serial=x", "parent": "s",
				}
			})
			c := newClient(t, cluster)
			if refusal != "" {
				if r := c.do(post, cloneOf101, "newid", "101", "pool", "labctl"); r.Reason != refusal {
					t.Errorf("%s", r.Reason)
				}
				cluster.access.set(grant{path: "/mapping/cpu/lab", who: "labctl@pve", role: "PVEMappingUser"})
				cluster.access.set(grant{path: "/mapping/cpu/lab", who: SandboxTokenID, role: "PVEMappingUser"})
			}
			c.done(post, cloneOf101, "newid", "101", "pool", "labctl")
			v, _ := cluster.VM(101)
			for key, want := range map[string]string{
				"cpu": "custom-lab", "hookscript": "local:snippets/hook.sh", "args": "-d x", "affinity": "0", "protection": "1",
				"unused0": "", "template": "", "parent": "", "lock": "", "name": "Copy-of-VM-ubuntu-2204",
			} {
				if v.Config[key] != want {
					t.Errorf("%d: %s is %q, want %q", major, key, v.Config[key], want)
				}
			}
			if s := v.Config["smbios1"]; !strings.Contains(s, "serial=x") || strings.Contains(s, "11111111") {
				t.Errorf("smbios1 is %s", s)
			}
		})
	}
}

// TestNodeLimits is what keeps a VM from starting or stopping that PVE tells only in the task.
func TestNodeLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := newSandbox(t, 9, func(topology *Topology) { topology.Nodes[0].CPUs = 2 })
		c := asRoot(t, cluster)
		walk(t, c, []visit{
			{"*POST", "~/9000/clone", "newid=101", "OK", ""},
			{"PUT", "~/101/config", "cores=4", "OK", ""},
			{"*POST", "~/101/status/start", "", "MAX 2 vcpus allowed per VM on this node", ""},
			{"PUT", "~/101/config", "cores=2", "OK", ""},
			{"*POST", "~/101/status/start", "", "OK", ""},
			{"POST", "/pools", "poolid=1lab", "create pool failed: pool name must start with a letter", ""},
		})
		cluster.enter()
		cluster.vms[101].config["lock"] = "backup"
		cluster.unlock()
		walk(t, c, []visit{{"*POST", "~/101/status/stop", "", "VM is locked (backup)", ""}})
	})
}
