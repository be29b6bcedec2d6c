package pvesim

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A worker that pvedaemon loses leaves what was written before it was forked: a create its locked configuration, in no pool; a
// clone nothing (recording 46, create.no-worker and clone.no-worker).
func TestALostWorkerLeavesWhatWasWrittenBefore(t *testing.T) {
	inSandbox(t, 8, `
faults:
- request: {method: POST, path: /nodes/*/qemu}
  do: {no_worker: true}
- request: {method: POST, path: /nodes/*/qemu/*/clone}
  do: {no_worker: true}
`, func(t *testing.T, cluster *Cluster, c *client) {
		const lost = "got no worker upid - start worker failed\n"
		if r := c.do(post, "/nodes/pve/qemu", "vmid", "460", "pool", "labctl", "name", "a"); r.Status != 500 || r.Message != lost {
			t.Errorf("create: %d %q", r.Status, r.Message)
		}
		if vm, there := cluster.VM(460); !there || vm.Config["lock"] != "create" || len(vm.Config) != 1 || vm.Pool != "" {
			t.Errorf("left is %+v, %v", vm, there)
		}
		if r := c.do(get, "/nodes/pve/qemu/460/config"); r.Status != 403 {
			t.Errorf("config: %d", r.Status)
		}
		if r := c.do(get, "/cluster/nextid", "vmid", "460"); r.Status != 400 {
			t.Errorf("nextid: %d", r.Status)
		}
		var tasks []struct{ UPID, Type, Status string }
		if err := json.Unmarshal(c.do(get, "/nodes/pve/tasks", "vmid", "460").Data, &tasks); err != nil || len(tasks) != 1 {
			t.Fatalf("tasks %v: %v", tasks, err)
		}
		if tasks[0].Type != "qmcreate" || tasks[0].Status != "unable to open file - No such file or directory" {
			t.Errorf("task %+v", tasks[0])
		}
		at := "/nodes/pve/tasks/" + url.PathEscape(tasks[0].UPID)
		if r := c.do(get, at+"/status"); r.Status != 400 || r.Errors["upid"] != "no such task" {
			t.Errorf("status: %d %v", r.Status, r.Errors)
		}
		if r := c.do(get, at+"/log"); r.Status != 200 || !strings.HasPrefix(string(r.Data), "{") {
			t.Errorf("log: %d %s", r.Status, r.Data)
		}

		if r := c.do(post, cloneOf101, "newid", "470", "pool", "labctl"); r.Status != 500 || r.Message != lost {
			t.Errorf("clone: %d %q", r.Status, r.Message)
		}
		if _, there := cluster.VM(470); there {
			t.Error("the clone left a VM")
		}
	})
}

// With unreferenced disks a destroy lists every enabled storage, after the VM's own disks are gone: one that does not answer
// keeps the configuration. Without, the same destroy ends well (recording 45, many2.delete).
func TestADestroyFailsWhenAnyStorageIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := newSandbox(t, 8, func(topology *Topology) {
			topology.Storages = append(topology.Storages, StorageSpec{Name: "nas", Type: "dir", Content: []string{"images"}, Path: "/mnt/nas", Inactive: true},
				StorageSpec{Name: "off", Type: "nfs", Content: []string{"images"}, Inactive: true, Disabled: true},
				StorageSpec{Name: "isos", Type: "nfs", Content: []string{"iso"}, Inactive: true})
		})
		c := newClient(t, cluster)
		c.done(post, cloneOf101, "newid", "9300", "pool", "labctl")
		status := c.task(http.MethodDelete, "/nodes/pve/qemu/9300", "purge", "1", "destroy-unreferenced-disks", "1")
		vm, there := cluster.VM(9300)
		if !strings.HasPrefix(status, "unable to activate storage 'nas'") || !there || vm.Config["lock"] != "" {
			t.Errorf("destroy ended with %q; VM %+v, %v", status, vm, there)
		}
		if left := cluster.volumesOf("", 9300); len(left) > 0 {
			t.Errorf("the VM's own disks are left: %v", left)
		}
		c.done(http.MethodDelete, "/nodes/pve/qemu/9300", "purge", "1")
		cluster.SetStorageOffline("nas", false)
		c.done(post, cloneOf101, "newid", "9300", "pool", "labctl")
		c.done(http.MethodDelete, "/nodes/pve/qemu/9300", "purge", "1", "destroy-unreferenced-disks", "1")
	})
}

// SIGTERM meets a clone that owns a volume while it waits for the storage lock: it cannot get the lock for its own clean-up
// either, and SIGKILL comes 5 s later (recording 46, slow2.aborted). One that owns nothing ends clean (slow.aborted).
func TestAnAbortedCloneThatWaitsForTheStorageLock(t *testing.T) {
	for _, test := range []struct {
		name      string
		cloudInit bool // the waiting clone has its cloud-init drive already
		status    string
		left      bool
	}{
		{"with a volume", true, "unexpected status", true},
		{"without", false, "clone failed: can't lock file", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			inSandbox(t, 8, `
faults:
- volume: {operation: clone, name: vm-101-disk-*}
  do: {delay: 60s}
`, func(t *testing.T, cluster *Cluster, c *client) {
				first := c.do(post, cloneOf101, "newid", "101", "pool", "labctl")
				if !test.cloudInit {
					<-time.After(500 * time.Millisecond) // the lock is held before the other begins
				}
				var second string
				if err := json.Unmarshal(c.do(post, cloneOf101, "newid", "102", "pool", "labctl").Data, &second); err != nil || first.Status != 200 {
					t.Fatal(err, first)
				}
				<-time.After(3 * time.Second)
				c.do(http.MethodDelete, "/nodes/pve/tasks/"+url.PathEscape(second))
				if status := c.wait(second); !strings.HasPrefix(status, test.status) {
					t.Errorf("it ended with %q", status)
				}
				vm, there := cluster.VM(102)
				if there != test.left || (there && (vm.Config["lock"] != "clone" || vm.Pool != "")) || (len(cluster.volumesOf("", 102)) > 0) != test.left {
					t.Errorf("left: %v %+v, volumes %v", there, vm, cluster.volumesOf("", 102))
				}
			})
		})
	}
}
