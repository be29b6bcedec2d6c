package pvesim

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func plan(t *testing.T, text string) Faults {
	t.Helper()
	p, err := ParseFaults("test", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// inSandbox runs a test against a sandbox with faults, in simulated time.
func inSandbox(t *testing.T, major int, faults string, test func(*testing.T, *Cluster, *client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		cluster := newSandbox(t, major, nil)
		cluster.SetFaults(plan(t, faults))
		test(t, cluster, newClient(t, cluster))
	})
}

const cloneOf101 = "/nodes/pve/qemu/9000/clone"

func TestRefuse(t *testing.T) {
	inSandbox(t, 8, `
faults:
- request: {method: GET, path: /version}
  skip: 1
  times: 2
  do: {refuse: {status: 595, text: No route to host}}
- request: {path: /nodes/*/qemu/101/config}
  times: -1
  do: {refuse: {status: 500, text: cluster not ready - no quorum?}}
`, func(t *testing.T, cluster *Cluster, c *client) {
		var got []int
		for range 4 {
			got = append(got, c.do(get, "/version").Status)
		}
		if diff := cmp.Diff([]int{200, 595, 595, 200}, got); diff != "" {
			t.Error(diff)
		}
		for range 3 {
			if r := c.do(get, "/nodes/pve/qemu/101/config"); r.Message != "cluster not ready - no quorum?\n" {
				t.Errorf("message %q", r.Message)
			}
		}
		if hits := cluster.FaultHits(); !slices.Equal(hits, []int{2, 3}) {
			t.Errorf("hits = %v", hits)
		}
	})
}

func TestLostAnswer(t *testing.T) {
	inSandbox(t, 9, `
faults:
- request: {method: POST, path: /nodes/pve/qemu/9000/clone, params: {newid: "101"}}
  do: {drop: before}
- request: {method: POST, path: /nodes/pve/qemu/9000/clone, params: {newid: "102"}}
  do: {drop: after}
- request: {method: POST, path: /nodes/pve/qemu/9000/clone, params: {newid: "103"}}
  do: {delay: 30s, refuse: {status: 596, text: Connection timed out, effect: true}}
`, func(t *testing.T, cluster *Cluster, c *client) {
		for _, id := range []string{"101", "102"} {
			body := strings.NewReader("newid=" + id + "&pool=labctl")
			r, err := http.NewRequestWithContext(t.Context(), post, c.base+"/api2/json"+cloneOf101, body)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "PVEAPIToken="+c.token)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if response, err := c.http.Do(r); err == nil {
				response.Body.Close()
				t.Errorf("%s: an answer came", id)
			}
		}
		begin := time.Now()
		if r := c.do(post, cloneOf101, "newid", "103", "pool", "labctl"); r.Status != 596 || r.Body != "" {
			t.Errorf("103: %d %q", r.Status, r.Body)
		}
		if took := time.Since(begin); took != 30*time.Second {
			t.Errorf("took %v", took)
		}
		<-time.After(time.Minute)
		for id, want := range map[int]bool{101: false, 102: true, 103: true} {
			if _, ok := cluster.VM(id); ok != want {
				t.Errorf("VM %d exists: %v", id, ok)
			}
		}
	})
}

func TestKilledClone(t *testing.T) {
	inSandbox(t, 8, `
faults:
- task: {type: qmclone}
  do: {kill: true, delay: 150ms}
`, func(t *testing.T, cluster *Cluster, c *client) {
		if status := c.task(post, cloneOf101, "newid", "101", "pool", "labctl", "description", "mark"); status != "unexpected status" {
			t.Errorf("status %q", status)
		}
		v, ok := cluster.VM(101)
		if !ok || v.Config["lock"] != "clone" || v.Config["description"] != "mark" || v.Pool != "" || v.Config["scsi0"] != "" {
			t.Errorf("VM %+v", v)
		}
		if r := c.do(del, "/nodes/pve/qemu/101"); r.Status != 403 {
			t.Errorf("delete: %d", r.Status)
		}
		if r := c.do(get, "/cluster/nextid", "vmid", "101"); r.Status != 400 {
			t.Errorf("nextid: %d", r.Status)
		}
	})
}

// TestBusyVolume is the destroy that leaves a volume behind: without a word in its status on 8, with a warning on 9.
func TestBusyVolume(t *testing.T) {
	for major, want := range map[int]string{8: "OK", 9: "WARNINGS: 2"} {
		inSandbox(t, major, `
faults:
- volume: {operation: destroy, name: vm-101-disk-*}
  times: 12
  do: {busy: true}
`, func(t *testing.T, cluster *Cluster, c *client) {
			c.done(post, cloneOf101, "newid", "101", "pool", "labctl")
			if status := c.task(del, "/nodes/pve/qemu/101", "purge", "1", "destroy-unreferenced-disks", "1"); status != want {
				t.Errorf("%d: status %q, want %q", major, status, want)
			}
			tasks := cluster.Tasks()
			log := strings.Join(tasks[len(tasks)-1].Log, "\n")
			if !strings.Contains(log, "Could not remove disk 'zfs:base-9000-disk-0/vm-101-disk-0', check manually: zfs error: cannot destroy") {
				t.Errorf("log:\n%s", log)
			}
			if list := ok[[]imageVolume](c, get, "/nodes/pve/storage/zfs/content", "vmid", "101"); len(list) != 0 {
				t.Errorf("the token sees the orphan: %v", list)
			}
			c.done(post, "/nodes/pve/qemu", "vmid", "101", "pool", "labctl")
			if list := ok[[]imageVolume](c, get, "/nodes/pve/storage/zfs/content", "vmid", "101"); len(list) != 1 {
				t.Errorf("with an empty VM it should: %v", list)
			}
			c.done(del, "/nodes/pve/qemu/101", "destroy-unreferenced-disks", "1")
			if n := len(cluster.volumesOf("", 101)); n != 0 {
				t.Errorf("%d volumes left", n)
			}
		})
	}
}

// TestLockContention is what eight parallel destroys with slow volumes come to.
func TestLockContention(t *testing.T) {
	inSandbox(t, 8, `
faults:
- volume: {operation: destroy}
  times: -1
  do: {delay: 4s}
`, func(t *testing.T, cluster *Cluster, c *client) {
		var tasks []string
		for _, id := range []string{"101", "102", "103", "104", "105", "106", "107", "108"} {
			c.done(post, cloneOf101, "newid", id, "pool", "labctl")
			tasks = append(tasks, id)
		}
		for i, id := range tasks {
			tasks[i] = ok[string](c, del, "/nodes/pve/qemu/"+id, "destroy-unreferenced-disks", "1")
		}
		for _, upid := range tasks {
			if status := c.wait(upid); status != "OK" {
				t.Errorf("status %q", status)
			}
		}
		left := 0
		for id := 101; id <= 108; id++ {
			left += len(cluster.volumesOf("", id))
		}
		if left == 0 {
			t.Error("nothing was left behind")
		}
	})
}

func TestOtherFaults(t *testing.T) {
	inSandbox(t, 9, `
faults:
- name: somebody else takes the number
  request: {method: POST, path: /nodes/pve/qemu/9000/clone, params: {newid: "105"}}
  do: {claim: true}
- name: full
  volume: {operation: create, storage: zfs, name: vm-101-disk-1}
  do: {full: true}
- name: lock
  lock: {file: /var/lock/qemu-server/lock-101.conf}
  skip: 2
  do: {timeout: true}
- name: flapping
  agent: {vmid: 101}
  skip: 1
  do: {down: true}
- name: elsewhere
  agent: {vmid: 101}
  skip: 2
  do: {addresses: [192.0.2.7/24]}
- name: no address
  agent: {vmid: 101}
  skip: 3
  do: {addresses: []}
- name: moved away
  request: {method: GET, path: /nodes/pve/qemu/101/status/current}
  do: {migrate: other}
`, func(t *testing.T, cluster *Cluster, c *client) {
		if r := c.do(post, cloneOf101, "newid", "105", "pool", "labctl"); r.Reason != "unable to create VM 105: config file already exists" {
			t.Errorf("claim: %s", r.Reason)
		}
		c.done(post, cloneOf101, "newid", "101", "pool", "labctl")
		config := "/nodes/pve/qemu/101/config"
		if r := c.do(post, config, "scsi1", "zfs:8", "background_delay", "5"); r.Reason != "failed to update VM 101: zfs error: cannot create 'rpool/data/vm-101-disk-1': out of space" {
			t.Errorf("full: %s", r.Reason)
		}
		begin := time.Now()
		if r := c.do(put, config, "cores", "1"); r.Reason != "can't lock file '/var/lock/qemu-server/lock-101.conf' - got timeout" || time.Since(begin) != 10*time.Second {
			t.Errorf("lock: %s after %v", r.Reason, time.Since(begin))
		}
		ok[*string](c, put, config, "ipconfig0", "ip=10.10.10.101/24")
		c.done(post, "/nodes/pve/qemu/101/status/start")
		<-time.After(time.Second)
		var got []string
		for range 5 {
			got = append(got, addressOf101(c))
		}
		if diff := cmp.Diff([]string{"right", "QEMU guest agent is not running", "wrong", "none", "right"}, got); diff != "" {
			t.Error(diff)
		}
		if r := c.do(get, "/nodes/pve/qemu/101/status/current"); r.Reason != "Configuration file 'nodes/pve/qemu-server/101.conf' does not exist" {
			t.Errorf("moved: %s", r.Reason)
		}
		if hits := cluster.FaultHits(); !slices.Equal(hits, []int{1, 1, 1, 1, 1, 1, 1}) {
			t.Errorf("hits = %v", hits)
		}
	})
}

// addressOf101 says what the guest agent tells of VM 101's address.
func addressOf101(c *client) string {
	r := c.do(get, "/nodes/pve/qemu/101/agent/network-get-interfaces")
	switch {
	case r.Status != http.StatusOK:
		return r.Reason
	case strings.Contains(r.Body, "10.10.10.101"):
		return "right"
	case strings.Contains(r.Body, "192.0.2.7"):
		return "wrong"
	}
	return "none"
}

func TestParseFaults(t *testing.T) {
	for text, want := range map[string]string{
		"faults:\n- request: {path: /x}\n  do: {explode: true}\n":                   "explode",
		"faults:\n- do: {kill: true}\n":                                             "exactly one of",
		"faults:\n- request: {}\n  task: {}\n  do: {kill: true}\n":                  "exactly one of",
		"faults:\n- request: {path: /x}\n  do: {busy: true}\n":                      "busy makes no sense here",
		"faults:\n- request: {path: /x}\n  do: {}\n":                                "nothing to do",
		"faults:\n- request: {path: /x}\n  do: {drop: sometimes}\n":                 "drop is before or after",
		"faults:\n- request: {path: /x}\n  do: {refuse: {status: 200}}\n":           "status 200",
		"faults:\n- request: {path: /x}\n  do: {daemon: sleepy}\n":                  "daemon is away, before, during",
		"faults:\n- task: {type: qmcreate}\n  do: {daemon: away}\n":                 "daemon makes no sense here",
		"faults:\n- volume: {name: \"[\"}\n  do: {busy: true}\n":                    "pattern",
		`{"faults":[{"lock":{"file":"/var/lock/*"},"do":{"timeout":true}}]}`:        "",
		"faults:\n- task: {type: qmstart}\n  do: {fail: start failed, delay: 2s}\n": "",
	} {
		_, err := ParseFaults("f.yaml", []byte(text))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func FuzzParseFaults(f *testing.F) {
	f.Add([]byte("faults:\n- task: {type: qmclone}\n  do: {kill: true}\n"))
	f.Add([]byte(`{"faults":[{"agent":{"vmid":101},"times":-1,"do":{"addresses":["192.0.2.7/24"]}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		plan, err := ParseFaults("fuzz", data)
		if err != nil {
			return
		}
		for _, fault := range plan.Faults {
			if err := fault.validate(); err != nil {
				t.Errorf("accepted, but: %v", err)
			}
		}
	})
}
