package labrun_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"labctl/pkg/lab/change"
	"labctl/pkg/lab/journal"
	"labctl/pkg/lab/labrun"
	"labctl/pkg/labspec"
	"labctl/pkg/pve"
	"labctl/pkg/pvesim"
)

// world is an emulated server that several labs share, and the state directory of their owner.
type world struct {
	t       testing.TB
	cluster *pvesim.Cluster
	gates   *change.LocalGates
	talk    *talk

	state string       // the state directory
	lives atomic.Int64 // processes so far
}

// talk keeps what was said.
type talk struct {
	mu    sync.Mutex
	lines []string
}

func (t *talk) StepStarted(string, string, string)                       {}
func (t *talk) StepFinished(vm, step string, _ time.Duration, err error) {}
func (t *talk) Line(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, fmt.Sprintf(format, args...))
}

func (t *talk) said(text string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.ContainsFunc(t.lines, func(line string) bool { return strings.Contains(line, text) })
}

// stateBase is a directory in which syncing costs little.
func stateBase(t testing.TB) string {
	t.Helper()
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		if dir, err := os.MkdirTemp("/dev/shm", "labrun"); err == nil { //nolint:usetesting // t.TempDir is on a disk
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			return dir
		}
	}
	return t.TempDir()
}

func newWorld(t testing.TB, base string, topology pvesim.Topology) (*world, error) {
	cluster, err := pvesim.New(topology, pvesim.WithGuests(pvesim.NoGuests{AgentAfter: topology.Timings.Boot}))
	if err != nil {
		return nil, err
	}
	return &world{t: t, cluster: cluster, gates: &change.LocalGates{}, talk: &talk{}, state: filepath.Join(base, "state")}, nil
}

// process is one labctl process.
type process struct {
	*labrun.Labs
	world  *world
	server labrun.Server
	client *pve.Client
	kill   *killer
}

// moment is when, at a change, a process is killed.
type moment string

const (
	beforeSend  moment = "before it is sent"
	afterEffect moment = "after the effect, before the answer"
	afterAnswer moment = "after the answer"
	never       moment = ""
)

// killer is the network of a process: at a given change it kills the process, of which nothing reaches the server or its
// journal any more.
type killer struct {
	next http.RoundTripper
	at   int // the change, counted from 1
	when moment

	changes atomic.Int64
	armed   atomic.Bool // the next request of any kind dies
	dead    atomic.Bool
	died    chan struct{} // closed at its death
}

var errKilled = errors.New("killed")

// RoundTrip implements http.RoundTripper.
func (k *killer) RoundTrip(r *http.Request) (*http.Response, error) {
	if k.armed.Load() {
		k.die()
	}
	if k.dead.Load() {
		return nil, errKilled
	}
	if r.Method == http.MethodGet || strings.HasSuffix(r.URL.Path, "/agent/ping") || int(k.changes.Add(1)) != k.at || k.when == never {
		answer, err := k.next.RoundTrip(r)
		if k.dead.Load() {
			return nil, errKilled
		}
		return answer, err
	}
	switch k.when {
	case beforeSend:
		k.die()
		return nil, errKilled
	case afterEffect:
		_, _ = k.next.RoundTrip(r) // the answer reaches nobody
		k.die()
		return nil, errKilled
	default:
		k.armed.Store(true)
		return k.next.RoundTrip(r)
	}
}

func (k *killer) die() {
	if !k.dead.Swap(true) {
		close(k.died)
	}
}

// start starts a labctl process, to be killed at a change.
func (w *world) start(at int, when moment) (*process, error) {
	w.lives.Add(1)
	kill := &killer{next: w.cluster.Transport(), at: at, when: when, died: make(chan struct{})}
	client, err := pve.New(pve.Config{
		URL: "https://pve.invalid:8006", TokenID: pvesim.SandboxTokenID, TokenSecret: pvesim.SandboxTokenSecret, Transport: kill,
	})
	if err != nil {
		return nil, err
	}
	server := labrun.Server{URL: "https://pve.invalid:8006", TokenID: pvesim.SandboxTokenID, API: client}
	p := &process{world: w, server: server, client: client, kill: kill, Labs: &labrun.Labs{
		Store: labrun.Store{Root: w.state}, Owner: "me@here", Version: "test", Talk: w.talk, Gates: w.gates,
		Connect: func(context.Context) (labrun.Server, error) { return server, nil },
	}}
	p.OpenJournal = func(path string) (*journal.Journal, error) {
		return journal.OpenThrough(path, func(file journal.File) journal.File { return mortal{file, kill} })
	}
	return p, nil
}

// mortal is the file of a process that may be killed: a dead process writes nothing.
type mortal struct {
	journal.File
	kill *killer
}

func (m mortal) Write(line []byte) (int, error) {
	if m.kill.dead.Load() {
		return 0, errKilled
	}
	return m.File.Write(line)
}

func (m mortal) Truncate(size int64) error {
	if m.kill.dead.Load() {
		return errKilled
	}
	return m.File.Truncate(size)
}

// loseState removes the state directory, which leaves its path.
func (w *world) loseState() {
	if err := os.RemoveAll(w.state); err != nil {
		w.t.Error(err)
	}
}

// ready stands for guests that need no preparation.
type ready struct{}

func (ready) Await(_ context.Context, vm change.VM) (map[string]string, error) {
	return map[string]string{labrun.FactVMID: vm.Ref.ID.String()}, nil
}

func (p *process) up(ctx context.Context, spec labrun.Spec) error {
	return p.upWith(ctx, spec, ready{})
}

func (p *process) upWith(ctx context.Context, spec labrun.Spec, readiness change.Readiness) error {
	run, err := p.Open(ctx, spec)
	if err != nil {
		return err
	}
	_, err = run.Up(ctx, labrun.UpOptions{Readiness: readiness})
	if err == nil {
		err = readyByName(run.Journal.State(), spec.Lab)
	}
	if err != nil && !run.Active() {
		err = errors.Join(err, run.Forget())
	}
	return errors.Join(err, run.Close())
}

// errNotByName is a broken promise: what `up` made cannot be benched.
var errNotByName = errors.New("up succeeded, and a VM is not found by its name")

// readyByName looks every VM up in the journal as a bench does.
func readyByName(state *journal.State, lab *labspec.Lab) error {
	for _, vm := range lab.VMs {
		known, ok := state.VM(vm.Name)
		if !ok || state.Fact(vm.Name, labrun.FactVMID) != fmt.Sprint(known.VMID) {
			return fmt.Errorf("%w: VM %s is %+v, its facts are %v", errNotByName, vm.Name, known, state.Facts[vm.Name])
		}
	}
	return nil
}

func (p *process) down(ctx context.Context, spec labrun.Spec) (labrun.Removed, error) {
	if err := p.Repair(spec); err != nil {
		return labrun.Removed{}, err
	}
	run, err := p.Open(ctx, spec)
	if err != nil {
		return labrun.Removed{}, err
	}
	removed, err := run.Down(ctx)
	if err == nil {
		err = run.Forget()
	}
	return removed, errors.Join(err, run.Close())
}

// gc removes what Find calls garbage.
func (p *process) gc(ctx context.Context, specs map[string]labrun.Spec) ([]labrun.Found, error) {
	found, err := p.Find(ctx, p.server)
	var missed *labrun.IncompleteError
	if err != nil && !errors.As(err, &missed) {
		return nil, err
	}
	all := []error{err}
	for _, f := range found {
		switch {
		case !f.Garbage():
		case p.Known(f):
			_, err := p.down(ctx, specs[f.Lab])
			all = append(all, err)
		default:
			_, err := p.Collect(ctx, p.server, f)
			all = append(all, err)
		}
	}
	return found, errors.Join(all...)
}

// labSpec makes a lab with so many VMs.
func labSpec(name string, vms, first int) labrun.Spec {
	text := fmt.Sprintf(`apiVersion: labctl/v1
name: %s
node: pve
pool: labctl
template: {vmid: 9000}
vmids: {first: %d, last: %d}
network: {bridge: vmbr0, address: dhcp}
vms:
`, name, first, first+vms+5)
	for i := range vms {
		text += fmt.Sprintf("  - {name: vm%d, cores: 1, memory: 512MiB, osDisk: {size: 3GiB}, dataDisk: {storage: zfs, size: 1GiB}}\n", i)
	}
	text += `suite:
  name: tiny
  blocks: 1
  rest: 0s
  workloads:
    - {name: write, fio: {ioengine: psync, rw: randwrite, bs: 4k, size: 1m, runtime: 1, time_based: }}
`
	lab, err := labspec.Parse(name+".yaml", []byte(text))
	if err != nil {
		panic(err) // the test's own text
	}
	return labrun.Spec{Lab: lab, Text: []byte(text)}
}

// mine says whether a VMID can be of a lab: strangers of these tests live elsewhere.
func mine(id int) bool { return id >= 9100 && id < 9900 }

// orphanBytes is the size of somebody else's disks whose VM is gone. No disk of a lab has it.
const orphanBytes = 3 << 20

// leftovers is everything of labs on the server: VMs, volumes and uploads.
func (w *world) leftovers() []string {
	var left []string
	for _, vm := range w.cluster.VMs() {
		if mine(vm.ID) && vm.Config["name"] != "foreign" {
			left = append(left, fmt.Sprintf("VM %d %s", vm.ID, vm.Config["name"]))
		}
	}
	for _, volume := range w.cluster.Volumes() {
		if mine(volume.VMID) && volume.SizeBytes != orphanBytes || strings.Contains(volume.ID, "labctl-") {
			left = append(left, "volume "+volume.ID)
		}
	}
	return left
}

// strangers is everything else on the server.
func (w *world) strangers() string {
	var lines []string
	for _, vm := range w.cluster.VMs() {
		if !mine(vm.ID) || vm.Config["name"] == "foreign" {
			config := vm.Config
			if vm.Config["name"] == "foreign" { // made in the middle of the test
				config = maps.Clone(config)
				for _, key := range []string{"meta", "smbios1", "vmgenid"} {
					delete(config, key)
				}
				continue
			}
			lines = append(lines, fmt.Sprintf("%d %s %v %v %s", vm.ID, vm.Node, vm.Running, config, vm.Pool))
		}
	}
	for _, volume := range w.cluster.Volumes() {
		if (!mine(volume.VMID) || volume.SizeBytes == orphanBytes) && !strings.Contains(volume.ID, "labctl-") {
			lines = append(lines, fmt.Sprint(volume))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// running says which tasks have not ended.
func (w *world) running() []string {
	var running []string
	for _, task := range w.cluster.Tasks() {
		if task.Status == "" {
			running = append(running, task.UPID)
		}
	}
	return running
}
