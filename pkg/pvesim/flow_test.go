package pvesim

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	get  = http.MethodGet
	post = http.MethodPost
	put  = http.MethodPut
	del  = http.MethodDelete
)

const testKey = "ssh-ed25519%20AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA%20me%40x"

// TestLife plays a lab VM's whole life with the least-privilege token on both majors.
func TestLife(t *testing.T) {
	for _, major := range []int{8, 9} {
		t.Run(map[int]string{8: "PVE 8", 9: "PVE 9"}[major], func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := newSandbox(t, major, nil)
				c := newClient(t, cluster)
				before := cluster.Volumes()
				vm := "/nodes/pve/qemu/101"
				c.done(post, "/nodes/pve/qemu/9000/clone", "newid", "101", "name", "vm1", "pool", "labctl", "description", "mark")
				if data := ok[*string](c, post, vm+"/config", "cores", "2", "memory", "1024", "scsi1",
					"zfs:64,cache=none,iothread=1,ssd=1,discard=on,serial=labctl-data", "ciuser", "lab", "sshkeys", testKey,
					"ipconfig0", "ip=10.10.10.101/24,gw=10.10.10.1", "tags", "labctl;run-1", "background_delay", "20"); data != nil {
					t.Fatalf("config: %s", *data)
				}
				c.done(put, vm+"/resize", "disk", "scsi0", "size", "+1G")
				config := ok[map[string]any](c, get, vm+"/config")
				want := "zfs:vm-101-disk-1,cache=none,discard=on,iothread=1,serial=labctl-data,size=64G,ssd=1"
				if config["scsi1"] != want || config["memory"] != "1024" || config["cores"] != float64(2) {
					t.Errorf("config = %v", config)
				}
				c.done(post, vm+"/status/start")
				if r := c.do(post, vm+"/agent/ping"); r.Reason != "QEMU guest agent is not running" {
					t.Errorf("early ping: %d %s", r.Status, r.Reason)
				}
				<-time.After(time.Second)
				ok[agentResult](c, post, vm+"/agent/ping")
				ok[agentResult](c, get, vm+"/agent/network-get-interfaces")
				if r := c.do(get, vm+"/agent/file-read", "file", "/none"); !strings.HasPrefix(r.Reason, "Agent error: ") {
					t.Errorf("file-read: %d %s", r.Status, r.Reason)
				}
				if r := c.do(del, vm, "purge", "1"); r.Reason != "VM 101 is running - destroy failed" {
					t.Errorf("delete of a running VM: %s", r.Reason)
				}
				c.done(post, vm+"/status/stop")
				if n := len(ok[[]imageVolume](c, get, "/nodes/pve/storage/zfs/content", "vmid", "101")); n != 3 {
					t.Errorf("%d volumes, want 3", n)
				}
				c.done(del, vm, "purge", "1", "destroy-unreferenced-disks", "1")
				if diff := cmp.Diff(before, cluster.Volumes()); diff != "" {
					t.Errorf("volumes left:\n%s", diff)
				}
				if foreign, _ := cluster.VM(SandboxForeignVM); !foreign.Running {
					t.Error("the foreign VM was stopped")
				}
			})
		})
	}
}

// TestParallelUp checks that three VMs are up within a few seconds of quick timings.
func TestParallelUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, newSandbox(t, 8, nil))
		begin := time.Now()
		finished := make(chan struct{})
		for _, id := range []string{"101", "102", "103"} {
			go func() {
				defer func() { finished <- struct{}{} }()
				vm := "/nodes/pve/qemu/" + id
				c.done(post, "/nodes/pve/qemu/9000/clone", "newid", id, "pool", "labctl")
				ok[*string](c, post, vm+"/config", "scsi1", "zfs:8", "background_delay", "20")
				c.done(post, vm+"/status/start")
			}()
		}
		for range 3 {
			<-finished
		}
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("three VMs took %v", took)
		}
	})
}

// TestEmptyVM is the proof that nothing is left: an empty VM claims the number and shows its orphans.
func TestEmptyVM(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, newSandbox(t, 9, nil))
		c.done(post, "/nodes/pve/qemu", "vmid", "150", "pool", "labctl")
		config := ok[map[string]json.RawMessage](c, get, "/nodes/pve/qemu/150/config")
		if diff := cmp.Diff([]string{"boot", "digest", "meta", "smbios1", "vmgenid"}, sortedKeys(config)); diff != "" {
			t.Errorf("keys:\n%s", diff)
		}
		if list := ok[[]imageVolume](c, get, "/nodes/pve/storage/zfs/content", "vmid", "150"); len(list) != 0 {
			t.Errorf("volumes: %v", list)
		}
		if r := c.do(post, "/nodes/pve/qemu", "vmid", "150", "pool", "labctl"); r.Reason != "unable to create VM 150 - VM 150 already exists on node 'pve'" {
			t.Errorf("second claim: %s", r.Reason)
		}
		if r := c.do(get, "/cluster/nextid", "vmid", "150"); r.Errors["vmid"] != "VM 150 already exists" {
			t.Errorf("nextid: %v", r.Errors)
		}
		c.done(del, "/nodes/pve/qemu/150", "purge", "1", "destroy-unreferenced-disks", "1")
	})
}
