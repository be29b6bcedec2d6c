package killtest

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"labctl/pkg/pvesim"
	"labctl/pkg/pvesim/guesthost"
)

// world is one emulated Proxmox VE with guests that SSH reaches, in the test's own process, so that the test sees what
// really exists.
type world struct {
	dir      string
	cluster  *pvesim.Cluster
	gate     *gate
	settings []string // labctl's configuration, as its environment
	guests   string   // folder that marks the guests' processes
	homes    int
}

// idleTime is how long pveproxy keeps an idle connection.
const idleTime = 5 * time.Second

// newWorld serves a cluster until the test ends.
func newWorld(t *testing.T, topology pvesim.Topology, options ...pvesim.Option) *world {
	t.Helper()
	w := &world{dir: t.TempDir()}
	w.guests = filepath.Join(w.dir, "guests")
	machines, err := guesthost.New(guesthost.Options{Dir: w.guests, AgentAfter: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	w.cluster, err = pvesim.New(topology, append([]pvesim.Option{pvesim.WithGuests(machines)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	w.gate = &gate{next: w.cluster}
	api := httptest.NewUnstartedServer(w.gate)
	api.Config.IdleTimeout = idleTime
	api.Config.ErrorLog = quiet()
	api.StartTLS()
	proxy, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	fingerprint := pvesim.Fingerprint(tls.Certificate{Certificate: [][]byte{api.Certificate().Raw}})
	w.settings = []string{
		"LABCTL_PVE_URL=" + api.URL, "LABCTL_PVE_FINGERPRINT=" + fingerprint,
		"LABCTL_PVE_TOKEN_ID=" + pvesim.SandboxTokenID, "LABCTL_PVE_TOKEN_SECRET=" + pvesim.SandboxTokenSecret,
		"LABCTL_SSH_PROXY=" + proxy.Addr().String(),
	}
	ctx, cancel := context.WithCancel(context.Background()) // the servers end after the test's processes
	ended := make(chan error, 2)
	go func() { w.cluster.Run(ctx); ended <- nil }()
	go func() { ended <- machines.Gateway(ctx, proxy) }()
	t.Cleanup(func() {
		cancel()
		for range cap(ended) {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		api.Close()
		if err := machines.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// theirs is a VM of another owner's lab of the same name.
const theirs = 9203

// sharedHost is a server that is used by others too: their VMs lie in the lab's VMID range and in the pool, and one even
// is of a lab with the same name that somebody else owns.
func sharedHost(major int) pvesim.Topology {
	topology := pvesim.SandboxTopology(major)
	// Tasks outlive the process that began them, as on a real server.
	topology.Timings.CloneLinked, topology.Timings.Stop = 1200*time.Millisecond, 400*time.Millisecond
	mark := `{"labctl":1,"lab":"kill","owner":"somebody@elsewhere","run":"20260102T030405Z-0000","vm":"2gb","version":"dev","expires":"2026-01-03T03:04:05Z"}`
	topology.VMs = append(topology.VMs,
		pvesim.VMSpec{VMID: 9201, Name: "database", Running: true, Config: map[string]string{
			"memory": "1024", "scsihw": "virtio-scsi-single", "scsi0": "zfs:8", "scsi1": "zfs:20", "net0": "virtio,bridge=vmbr0",
		}},
		pvesim.VMSpec{VMID: theirs, Name: "kill-2gb", Pool: pvesim.SandboxPool, Config: map[string]string{
			"memory": "2048", "scsi0": "zfs:4", "tags": "labctl", "description": mark + "\n",
		}},
		pvesim.VMSpec{VMID: 9204, Name: "unmarked", Pool: pvesim.SandboxPool, Config: map[string]string{
			"memory": "512", "scsi0": "zfs:4", "tags": "labctl", "description": "labctl: do not touch",
		}})
	for i := range topology.Storages {
		if topology.Storages[i].Name == "local" {
			topology.Storages[i].Files = []pvesim.FileSpec{{Content: "iso", Name: "debian-12.iso", SizeBytes: 600 << 20}}
		}
	}
	return topology
}

// belongings is everything that exists on a cluster, by name.
type belongings map[string]any

// belongings waits until no task runs, since what a task makes later exists too, and looks past the API.
func (w *world) belongings(t *testing.T) belongings {
	t.Helper()
	await(t, "the end of all tasks", func() bool { return !w.busy() })
	all := belongings{}
	for _, vm := range w.cluster.VMs() {
		all[fmt.Sprintf("VM %d", vm.ID)] = vm
	}
	for _, volume := range w.cluster.Volumes() {
		all["volume "+volume.ID] = volume
	}
	return all
}

// busy says whether a task runs.
func (w *world) busy() bool {
	return slices.ContainsFunc(w.cluster.Tasks(), func(task pvesim.TaskState) bool { return task.Status == "" })
}

// changes says what is not as it was, each in one line or as a difference, and which processes of guests are left.
func (w *world) changes(t *testing.T, was belongings) string {
	t.Helper()
	var lines []string
	is := w.belongings(t)
	for name, now := range is {
		then, existed := was[name]
		switch {
		case !existed:
			lines = append(lines, name+" is left")
		case !cmp.Equal(then, now):
			lines = append(lines, name+" is not as it was:\n"+cmp.Diff(then, now))
		}
	}
	for name := range was {
		if _, exists := is[name]; !exists {
			lines = append(lines, name+" is gone")
		}
	}
	for _, process := range w.guestProcesses(t) {
		lines = append(lines, "process of a guest is left: "+process)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// wantAsBefore wants everything as it was; last may be the process to blame.
func (w *world) wantAsBefore(t *testing.T, was belongings, last *process) {
	t.Helper()
	changed := w.changes(t, was)
	switch {
	case changed == "":
	case last == nil:
		t.Errorf("not as before:\n%s", changed)
	default:
		t.Errorf("not as before:\n%s\n%s", changed, last.text())
	}
}

// guestProcesses are the processes of this machine that belong to guests of this world.
func (w *world) guestProcesses(t *testing.T) []string {
	t.Helper()
	mark := []byte("LABCTL_SANDBOX_DIR=" + w.guests + "\x00")
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, file := range files {
		environ, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(environ, mark) {
			continue // it has ended, or is none of ours
		}
		command, err := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
		if err == nil {
			found = append(found, string(bytes.ReplaceAll(command, []byte{0}, []byte(" "))))
		}
	}
	return found
}

// measuring is the command line of a trial's fio itself, and not of the shell that is about to detach it.
var measuring = regexp.MustCompile(`(?m)^\S*fio .*--runtime=600`)

// isMeasured says whether fio runs in a guest.
func (w *world) isMeasured(t *testing.T) bool {
	t.Helper()
	return measuring.MatchString(strings.Join(w.guestProcesses(t), "\n"))
}

// describe replaces a VM's notes through the API, as the token may.
func (w *world) describe(t *testing.T, vmid int, text string) {
	t.Helper()
	path := fmt.Sprintf("/api2/json/nodes/%s/qemu/%d/config", pvesim.SandboxNode, vmid)
	body := strings.NewReader(url.Values{"description": {text}}.Encode())
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPut, path, body)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Authorization", "PVEAPIToken="+pvesim.SandboxTokenID+"="+pvesim.SandboxTokenSecret)
	answer := httptest.NewRecorder()
	w.cluster.ServeHTTP(answer, request)
	if answer.Code != http.StatusOK {
		t.Fatalf("describing VM %d: %d %s", vmid, answer.Code, answer.Body)
	}
}

// await waits for a condition of the emulated world.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	const limit, glance = time.Minute, 20 * time.Millisecond
	ticker := time.NewTicker(glance)
	defer ticker.Stop()
	for range limit / glance {
		if done() {
			return
		}
		<-ticker.C
	}
	t.Fatalf("waited %v in vain for %s", limit, what)
}
