package vmtemplate_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"labctl/pkg/lab/vmtemplate"
	"labctl/pkg/pve"
	"labctl/pkg/pvesim"
)

const (
	address  = "https://images.test/jammy/current/jammy.img"
	rightSum = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	wrongSum = "0000000000000000000000000000000000000000000000000000000000000000"
)

// world is an emulated server and a builder for it.
type world struct {
	t       *testing.T
	cluster *pvesim.Cluster
	client  *pve.Client
	wire    *wire
	dir     string
	talk    *talk
}

// wire is the network, and the place where a process can die: from then on nothing gets through.
type wire struct {
	next      http.RoundTripper
	mu        sync.Mutex
	mutations int
	dieAt     int // the mutating request at which the process dies, from 1; 0: never
	reaches   bool
	dead      bool
	died      func() // is called at that moment
}

var errDead = errors.New("the process is dead")

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	if r.Method != http.MethodGet {
		w.mutations++
	}
	dies := w.dieAt != 0 && w.mutations == w.dieAt && !w.dead
	if dies {
		w.dead = true
	}
	dead := w.dead
	w.mu.Unlock()
	if dies {
		w.died()
	}
	if !dead || (dies && w.reaches) {
		response, err := w.next.RoundTrip(r)
		if !dead {
			return response, err
		}
		if err == nil {
			_ = response.Body.Close()
		}
	}
	return nil, errDead
}

// talk remembers what a person is told.
type talk struct {
	mu    sync.Mutex
	lines []string
}

func (t *talk) Line(format string, args ...any) { t.add(fmt.Sprintf(format, args...)) }

func (t *talk) StepStarted(string, string, string) {}

func (t *talk) StepFinished(_, step string, _ time.Duration, err error) {
	if err != nil {
		step += " failed"
	}
	t.add(step)
}

func (t *talk) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, line)
}

func newWorld(t *testing.T, major int, adjust func(*pvesim.Topology)) *world {
	t.Helper()
	topology := pvesim.SandboxTopology(major)
	topology.Downloads = map[string]pvesim.FileSpec{address: {SizeBytes: 600 << 20, VirtualBytes: 2252 << 20, SHA256: rightSum}}
	if adjust != nil {
		adjust(&topology)
	}
	cluster, err := pvesim.New(topology, pvesim.WithSeed(1))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, cluster: cluster, wire: &wire{next: cluster.Transport()}, dir: t.TempDir()}
	w.connect()
	return w
}

// connect is a new process.
func (w *world) connect() {
	w.t.Helper()
	client, err := pve.New(pve.Config{
		URL: "https://pve.invalid:8006", TokenID: pvesim.SandboxTokenID, TokenSecret: pvesim.SandboxTokenSecret, Transport: w.wire,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.client, w.talk = client, &talk{}
}

func (w *world) builder() *vmtemplate.Builder {
	return &vmtemplate.Builder{
		API: w.client, Talk: w.talk, Publisher: publisher{}, Dir: w.dir, Owner: "me@here", Version: "test", Token: pvesim.SandboxTokenID,
	}
}

func wanted() vmtemplate.Wanted {
	return vmtemplate.Wanted{
		Node: "pve", Pool: "labctl", Bridge: "vmbr0", VMID: 9001, Name: "jammy", Storage: "zfs", URL: address, SHA256: rightSum,
	}
}

// publisher states the right checksum.
type publisher struct{}

func (publisher) Do(request *http.Request) (*http.Response, error) {
	text := "404"
	if request.URL.String() == "https://images.test/jammy/current/SHA256SUMS" {
		text = rightSum + " *jammy.img\n"
	}
	return &http.Response{StatusCode: http.StatusOK, Status: "200 OK", Body: io.NopCloser(strings.NewReader(text)), Request: request}, nil
}

// everything is what exists on the server.
func (w *world) everything() []string {
	var lines []string
	for _, vm := range w.cluster.VMs() {
		lines = append(lines, fmt.Sprintf("VM %d %v", vm.ID, vm.Config))
	}
	for _, volume := range w.cluster.Volumes() {
		lines = append(lines, "volume "+volume.ID)
	}
	return lines
}

func onBothMajors(t *testing.T, test func(t *testing.T, major int)) {
	for _, major := range []int{8, 9} {
		t.Run(fmt.Sprint("PVE ", major), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, major) })
		})
	}
}

func TestBuild(t *testing.T) {
	onBothMajors(t, func(t *testing.T, major int) {
		w := newWorld(t, major, nil)
		result, err := w.builder().Build(t.Context(), wanted())
		if err != nil {
			t.Fatal(err)
		}
		want := vmtemplate.Result{Node: "pve", VMID: 9001, Name: "jammy", Image: "jammy.img", SHA256: rightSum, Built: true}
		if diff := cmp.Diff(want, result); diff != "" {
			t.Errorf("result (-want +got)\n%s", diff)
		}
		template, _ := w.cluster.VM(9001)
		for key, value := range map[string]string{
			"template": "1", "name": "jammy", "scsihw": "virtio-scsi-single", "agent": "enabled=1", "serial0": "socket", "boot": "order=scsi0",
			"scsi0": "zfs:base-9001-disk-0,discard=on,iothread=1,size=2252M,ssd=1", "ide2": "zfs:vm-9001-cloudinit,media=cdrom",
		} {
			if template.Config[key] != value {
				t.Errorf("%s is %q, want %q", key, template.Config[key], value)
			}
		}
		for _, volume := range w.cluster.Volumes() {
			if volume.Content == "import" {
				t.Errorf("the image %s is left", volume.ID)
			}
		}
		requests := len(w.cluster.Requests())
		again, err := w.builder().Build(t.Context(), wanted())
		if want.Built = false; err != nil || cmp.Diff(want, again) != "" {
			t.Errorf("the second build: %+v, %v", again, err)
		}
		for _, request := range w.cluster.Requests()[requests:] {
			if request.Method != http.MethodGet {
				t.Errorf("the second build sent %s %s", request.Method, request.Path)
			}
		}
		if err := pvesim.CheckRequests(w.cluster.Requests()); err != nil {
			t.Errorf("not valid against the real schemas: %v", err)
		}
		entries, err := os.ReadDir(w.dir)
		if err != nil || len(entries) != 1 || filepath.Ext(entries[0].Name()) != ".lock" {
			t.Errorf("state that is left: %v, %v", entries, err)
		}
		t.Logf("%d requests", requests)
	})
}

func TestChecksums(t *testing.T) {
	local := filepath.Join(t.TempDir(), "local.img")
	if err := os.WriteFile(local, []byte("QFI\xfb and so on"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		change   func(*vmtemplate.Wanted)
		problems []string // all of which the error says; none: it works
	}{
		"the publisher's":   {func(w *vmtemplate.Wanted) { w.SHA256 = "" }, nil},
		"right":             {func(*vmtemplate.Wanted) {}, nil},
		"wrong":             {func(w *vmtemplate.Wanted) { w.SHA256 = wrongSum }, []string{"got '" + rightSum, "expect '" + wrongSum, "not kept"}},
		"none":              {func(w *vmtemplate.Wanted) { w.SHA256 = "abc" }, []string{"no SHA-256"}},
		"unknown image":     {func(w *vmtemplate.Wanted) { w.SHA256, w.URL = "", "https://images.test/jammy/current/noble.img" }, []string{"not listed"}},
		"unreachable":       {func(w *vmtemplate.Wanted) { w.URL = "https://nowhere.test/a.img" }, []string{"Connection refused", "--image-file"}},
		"compressed":        {func(w *vmtemplate.Wanted) { w.URL = "https://images.test/a.img.xz" }, []string{"compressed"}},
		"local":             {func(w *vmtemplate.Wanted) { w.URL, w.File, w.SHA256 = "", local, "" }, nil},
		"local, wrong":      {func(w *vmtemplate.Wanted) { w.URL, w.File = "", local }, []string{"expected was " + rightSum}},
		"local, not there":  {func(w *vmtemplate.Wanted) { w.URL, w.File = "", local+"x" }, []string{"no such file"}},
		"both":              {func(w *vmtemplate.Wanted) { w.File = local }, []string{"not both"}},
		"VMID of somebody":  {func(w *vmtemplate.Wanted) { w.VMID = 9000 }, []string{"not built by labctl", "--vmid"}},
		"invisible VMID":    {func(w *vmtemplate.Wanted) { w.VMID = 100 }, []string{"may not see", "--vmid"}},
		"any VMID":          {func(w *vmtemplate.Wanted) { w.VMID = 0 }, nil},
		"unknown storage":   {func(w *vmtemplate.Wanted) { w.Storage = "none" }, []string{"storage none"}},
		"no image storage":  {func(w *vmtemplate.Wanted) { w.ImageStorage = "zfs" }, []string{"takes no disk images", "pvesm set local --content"}},
		"unknown pool":      {func(w *vmtemplate.Wanted) { w.Pool = "none" }, []string{"on /pool/none", "this token sees no pool none, but labctl"}},
		"no right to free":  {nil, []string{"Datastore.Allocate", "/storage/local"}},
		"no network right":  {nil, []string{"Sys.AccessNetwork on /nodes/pve", "pveum acl modify /nodes/pve", "--image-file"}},
		"no image rights":   {nil, []string{"Datastore.AllocateTemplate, Datastore.Allocate on /storage/local"}},
		"file to elsewhere": {func(w *vmtemplate.Wanted) { w.URL, w.File, w.SHA256 = "", local, "" }, []string{"import failed: /usr/bin/scp: stat local"}},
		"PVE before 8.4":    {nil, []string{"8.4", "--image-storage"}},
		"storage runs full": {nil, []string{"out of space"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			onBothMajors(t, func(t *testing.T, major int) {
				w := newWorld(t, major, func(topology *pvesim.Topology) {
					switch name {
					case "no right to free":
						for i := range topology.Roles {
							topology.Roles[i].Privileges = slices.DeleteFunc(topology.Roles[i].Privileges, func(p string) bool { return p == "Datastore.Allocate" })
						}
					case "no network right", "no image rights":
						role := map[string]string{"no network right": "LabctlNetwork", "no image rights": "LabctlImages"}[name]
						for i := range topology.Grants {
							if topology.Grants[i].Role == role {
								topology.Grants[i].Role = "LabctlStore"
							}
						}
					case "PVE before 8.4":
						topology.Storages[0].Content = []string{"iso", "vztmpl"}
					}
				})
				if name == "file to elsewhere" {
					w.cluster.SetFaults(pvesim.Faults{Faults: []pvesim.Fault{{Task: &pvesim.TaskMatch{Type: "imgcopy"}, Do: pvesim.Action{Fail: "import failed: /usr/bin/scp: stat local \"/var/tmp/pveupload-0\": No such file"}}}})
				}
				if name == "storage runs full" {
					w.cluster.SetFaults(pvesim.Faults{Faults: []pvesim.Fault{{Volume: &pvesim.VolumeMatch{Operation: "create"}, Skip: 1, Do: pvesim.Action{Full: true}}}})
				}
				before := w.everything()
				asked := wanted()
				if test.change != nil {
					test.change(&asked)
				}
				_, err := w.builder().Build(t.Context(), asked)
				if (err == nil) != (test.problems == nil) {
					t.Fatalf("error %v, want %q", err, test.problems)
				}
				for _, problem := range test.problems {
					if !strings.Contains(err.Error(), problem) && !(name == "PVE before 8.4" && strings.Contains(err.Error(), "pvesm set local --content iso,vztmpl,import")) {
						t.Errorf("error %v does not say %q", err, problem)
					}
				}
				if diff := cmp.Diff(before, w.everything()); err != nil && diff != "" {
					t.Errorf("left behind (-before +after)\n%s", diff)
				}
			})
		})
	}
}

// A build that dies at any mutating request, before or after it took effect, is cleared away by the next, which succeeds.
func TestDeathAtEveryChange(t *testing.T) {
	onBothMajors(t, func(t *testing.T, major int) {
		deaths := 0
		for _, reaches := range []bool{false, true} {
			for at := 1; ; at++ {
				w, died := killed(t, major, at, reaches)
				if !died {
					break
				}
				deaths++
				_, err := w.builder().Build(t.Context(), wanted())
				if err != nil {
					t.Errorf("died at change %d (it reached the server: %v): the next build: %v", at, reaches, err)
				}
				w.onlyTheTemplate(fmt.Sprintf("died at change %d (it reached the server: %v)", at, reaches))
			}
		}
		t.Logf("%d deaths", deaths)
		if deaths < 2*5 {
			t.Errorf("only %d deaths", deaths)
		}
	})
}

// killed is a world in which a build died, and a new process.
func killed(t *testing.T, major, at int, reaches bool) (*world, bool) {
	t.Helper()
	w := newWorld(t, major, nil)
	saved := t.TempDir()
	w.wire.dieAt, w.wire.reaches = at, reaches
	w.wire.died = func() {
		if err := os.CopyFS(saved, os.DirFS(w.dir)); err != nil {
			t.Error(err)
		}
	}
	_, err := w.builder().Build(t.Context(), wanted())
	if !w.wire.dead {
		return w, false
	}
	if err == nil {
		t.Errorf("a build that died at change %d succeeded", at)
	}
	<-time.After(time.Hour) // whatever the server still did
	w.dir, w.wire = saved, &wire{next: w.cluster.Transport()}
	w.connect()
	return w, true
}

// onlyTheTemplate checks that there is nothing but what was there before, and the finished template.
func (w *world) onlyTheTemplate(when string) {
	w.t.Helper()
	var lines []string
	for _, vm := range w.cluster.VMs() {
		lines = append(lines, fmt.Sprint("VM ", vm.ID))
	}
	for _, volume := range w.cluster.Volumes() {
		lines = append(lines, volume.ID)
	}
	slices.Sort(lines)
	want := []string{
		"VM 100", "VM 9000", "VM 9001", "zfs:base-9000-disk-0", "zfs:base-9001-disk-0", "zfs:vm-100-disk-0", "zfs:vm-100-disk-1",
		"zfs:vm-9000-cloudinit", "zfs:vm-9001-cloudinit",
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		w.t.Errorf("%s: on the server is (-want +got)\n%s", when, diff)
	}
}

// oldServer is a PVE before 8.4.
type oldServer struct{ *pve.Client }

func (oldServer) Version(context.Context) (pve.Version, error) {
	return pve.Version{Release: "8.2", Version: "8.2.4", Major: 8}, nil
}

// A server that is too old is told by its release, with what root can do there; nothing is tried.
func TestOldServer(t *testing.T) {
	w := newWorld(t, 8, func(topology *pvesim.Topology) { topology.Storages[0].Content = []string{"iso", "vztmpl"} })
	builder := w.builder()
	builder.API = oldServer{w.client}
	_, err := builder.Build(t.Context(), wanted())
	var old *vmtemplate.UnsupportedError
	if !errors.As(err, &old) {
		t.Fatalf("error %v", err)
	}
	want := []string{
		"wget -O /var/tmp/labctl-image " + address,
		"qm create 9001 --name jammy --pool labctl --scsihw virtio-scsi-single --scsi0 zfs:0,import-from=/var/tmp/labctl-image,discard=on,iothread=1,ssd=1 " +
			"--ide2 zfs:cloudinit --boot order=scsi0 --agent enabled=1 --serial0 socket --vga serial0 --net0 virtio,bridge=vmbr0 --ostype l26 --cpu host --cores 2 --memory 2048",
		"qm template 9001",
		"rm /var/tmp/labctl-image",
	}
	if diff := cmp.Diff(want, old.Commands); diff != "" || !strings.Contains(err.Error(), "PVE 8.2 cannot import") {
		t.Errorf("%v\n(-want +got)\n%s", err, diff)
	}
}
