package pvesim

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// instant is a cluster in which nothing takes time.
func instant(t *testing.T, major int) *Cluster {
	t.Helper()
	return newSandbox(t, major, func(topology *Topology) { topology.Timings = Timings{} })
}

// TestInvariants does random things with a few VMs and checks what must always hold.
func TestInvariants(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		major := rapid.SampledFrom([]int{8, 9}).Draw(r, "major")
		cluster := instant(t, major)
		foreign, _ := cluster.VM(SandboxForeignVM)
		theirs := cluster.volumesOf("", SandboxForeignVM)
		act := func(method, path string, args ...string) {
			form := url.Values{}
			for i := 0; i+1 < len(args); i += 2 {
				form.Add(args[i], args[i+1])
			}
			target, body := "https://pve/api2/json/nodes/pve/qemu"+path, form.Encode()
			if method == del {
				target, body = target+"?"+body, ""
			}
			request, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
			if err != nil {
				r.Fatal(err)
			}
			request.Header.Set("Authorization", "PVEAPIToken="+SandboxTokenID+"="+SandboxTokenSecret)
			request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			response, err := cluster.Transport().RoundTrip(request)
			if err != nil {
				r.Fatal(err)
			}
			response.Body.Close()
		}
		vm := func() string { return fmt.Sprint(rapid.IntRange(100, 103).Draw(r, "vm")) }
		slot := func() string { return fmt.Sprintf("scsi%d", rapid.IntRange(0, 3).Draw(r, "slot")) }
		r.Repeat(map[string]func(*rapid.T){
			"clone":   func(*rapid.T) { act(post, "/9000/clone", "newid", vm(), "pool", "labctl") },
			"create":  func(*rapid.T) { act(post, "", "vmid", vm(), "pool", "labctl", slot(), "zfs:1") },
			"disk":    func(*rapid.T) { act(post, "/"+vm()+"/config", slot(), "zfs:2,discard=on") },
			"detach":  func(*rapid.T) { act(put, "/"+vm()+"/config", "delete", slot()) },
			"unused":  func(*rapid.T) { act(put, "/"+vm()+"/config", "delete", "unused0") },
			"resize":  func(*rapid.T) { act(put, "/"+vm()+"/resize", "disk", slot(), "size", "+1G") },
			"start":   func(*rapid.T) { act(post, "/"+vm()+"/status/start") },
			"stop":    func(*rapid.T) { act(post, "/"+vm()+"/status/stop") },
			"convert": func(*rapid.T) { act(post, "/"+vm()+"/template") },
			"destroy": func(*rapid.T) { act(del, "/"+vm(), "purge", "1", "destroy-unreferenced-disks", "1") },
			"": func(r *rapid.T) {
				now, ok := cluster.VM(SandboxForeignVM)
				if diff := cmp.Diff(foreign, now); !ok || diff != "" || len(theirs) != len(cluster.volumesOf("", SandboxForeignVM)) {
					r.Fatalf("the foreign VM changed:\n%s", diff)
				}
				checkConsistent(r, cluster)
			},
		})
	})
}

// checkConsistent fails when configurations and volumes do not fit, or a task or lock is left over.
func checkConsistent(r *rapid.T, c *Cluster) {
	used := map[string]bool{}
	for _, v := range c.vms {
		if v.config["lock"] != "" {
			r.Fatalf("VM %d is locked", v.id)
		}
		checkDrives(r, c, v, used)
	}
	for _, s := range c.storages {
		for _, v := range s.volumes {
			if !used[v.id()] {
				r.Fatalf("%s belongs to nobody", v.id())
			}
		}
	}
	for _, t := range c.tasks {
		if t.running() {
			r.Fatalf("%s runs", t.upid)
		}
	}
	for path, l := range c.flocks {
		if l.writer != nil || len(l.readers) > 0 || len(l.queue) > 0 {
			r.Fatalf("%s is held", path)
		}
	}
}

// checkDrives fails when a drive of a VM names a volume that is not there or has another size.
func checkDrives(r *rapid.T, c *Cluster, v *vm, used map[string]bool) {
	for key, value := range v.config {
		d := parseDrive(value)
		if !isDriveKey(key) || !d.hasVolume() {
			continue
		}
		disk, ok := c.volumeOn(v.node, d.volume)
		if !ok {
			r.Fatalf("VM %d: %s: %s does not exist", v.id, key, d.volume)
		}
		if d.options["size"] != "" && d.size() != disk.size {
			r.Fatalf("VM %d: %s: size %s, but the volume has %d", v.id, key, d.options["size"], disk.size)
		}
		used[disk.id()] = true
	}
}
