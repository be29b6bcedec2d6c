package change_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	labspecs "labctl/lab-specs"
	"labctl/pkg/lab/change"
	"labctl/pkg/lab/guestsetup"
	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/journal"
	"labctl/pkg/lab/plan"
	"labctl/pkg/lab/teardown"
	"labctl/pkg/labspec"
	"labctl/pkg/pve"
	"labctl/pkg/pvesim"
	"labctl/pkg/remote"
)

// bench is a lab, an emulated server and everything in between.
type bench struct {
	t       *testing.T
	lab     *labspec.Lab
	cluster *pvesim.Cluster
	client  *pve.Client
	journal *journal.Journal
	log     *stepLog
	mark    inventory.Mark
}

// stepLog remembers the steps.
type stepLog struct {
	mu    sync.Mutex
	lines []string
}

func (l *stepLog) Line(string, ...any) {}

func (l *stepLog) StepStarted(string, string, string) {}

func (l *stepLog) StepFinished(vm, step string, _ time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		step += " failed"
	}
	l.lines = append(l.lines, vm+" "+step)
}

// alwaysReady stands for guests that need no preparation.
type alwaysReady struct{ fail map[string]error }

func (r alwaysReady) Await(_ context.Context, vm change.VM) (map[string]string, error) {
	return map[string]string{"vmid": vm.Ref.ID.String()}, r.fail[vm.Spec.Name]
}

func newBench(t *testing.T, major int, adjust func(*pvesim.Topology)) *bench {
	t.Helper()
	text, err := labspecs.FS.ReadFile("blog.yaml")
	if err != nil {
		t.Fatal(err)
	}
	lab, err := labspec.Parse("blog.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	topology := pvesim.SandboxTopology(major)
	if adjust != nil {
		adjust(&topology)
	}
	_, hostKey, err := remote.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	cluster, err := pvesim.New(topology, pvesim.WithGuests(pvesim.NoGuests{
		AgentAfter: topology.Timings.Boot, Files: map[string][]byte{"/etc/ssh/ssh_host_ed25519_key.pub": []byte(hostKey + "\n")},
	}))
	if err != nil {
		t.Fatal(err)
	}
	client, err := pve.New(pve.Config{
		URL: "https://pve.invalid:8006", TokenID: pvesim.SandboxTokenID, TokenSecret: pvesim.SandboxTokenSecret, Transport: cluster.Transport(),
	})
	if err != nil {
		t.Fatal(err)
	}
	book, err := journal.Open(filepath.Join(t.TempDir(), "journal.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = book.Close() })
	if err := book.Begin(journal.Begin{RunID: "run-1", Lab: lab.Name, Version: "test"}); err != nil {
		t.Fatal(err)
	}
	return &bench{
		t: t, lab: lab, cluster: cluster, client: client, journal: book, log: &stepLog{},
		mark: inventory.Mark{Lab: lab.Name, Owner: "me@here", Run: "run-1", Version: "test", Expires: time.Unix(1<<32, 0)},
	}
}

func (b *bench) executor() *change.Executor {
	return &change.Executor{
		API: b.client, Journal: b.journal, Observer: b.log, Pool: b.lab.Pool, Mark: b.mark, Self: b.self(), Lab: b.lab, Readiness: alwaysReady{},
		CloudInit: func(index int) []pve.Param {
			var params []pve.Param
			for _, param := range guestsetup.Cloud(b.lab, index) {
				params = append(params, pve.Param{Key: param.Key, Value: param.Value})
			}
			return params
		},
	}
}

func (b *bench) self() inventory.Self {
	return inventory.Self{Lab: b.mark.Lab, Owner: b.mark.Owner, Run: b.mark.Run}
}

// removal is the plan that removes everything that is observed.
func (b *bench) removal(seen inventory.Observed) plan.Plan {
	state := b.journal.State()
	return teardown.Removal(b.lab.Name, teardown.Decide(seen, state, teardown.Words{}), state, nil)
}

func (b *bench) observe() inventory.Observed {
	b.t.Helper()
	scope := inventory.Scope{Self: b.self(), Node: b.lab.Node, Pool: b.lab.Pool, First: pve.VMID(b.lab.VMIDs.First), Last: pve.VMID(b.lab.VMIDs.Last)}
	for _, vm := range b.journal.State().Touched() {
		scope.Known = append(scope.Known, pve.VMRef{Node: vm.Node, ID: pve.VMID(vm.VMID)})
	}
	seen, err := inventory.Observe(b.t.Context(), b.client, scope)
	if err != nil {
		b.t.Fatal(err)
	}
	return seen
}

func (b *bench) planUp() plan.Plan {
	b.t.Helper()
	seen := b.observe()
	templates := map[string]inventory.Template{}
	for _, node := range b.lab.Nodes() {
		vmid, name := b.lab.Template.On(node)
		template, err := seen.FindTemplateFor(b.t.Context(), b.client, node, pve.VMID(vmid), name)
		if err != nil {
			b.t.Fatal(err)
		}
		if err := inventory.CheckStorages(b.t.Context(), b.client, node, b.lab.StoragesOn(node)); err != nil {
			b.t.Fatal(err)
		}
		templates[node] = template
	}
	scope := inventory.Scope{First: pve.VMID(b.lab.VMIDs.First), Last: pve.VMID(b.lab.VMIDs.Last)}
	ids, err := seen.FreeVMIDs(b.t.Context(), b.client, scope, plan.Missing(b.lab, seen))
	if err != nil {
		b.t.Fatal(err)
	}
	var free []int
	for _, id := range ids {
		free = append(free, int(id))
	}
	state := b.journal.State()
	todo, err := plan.Up(plan.Wanted{
		Lab: b.lab, Templates: templates, Observed: seen, VMIDs: free,
		IsReady: func(vm string) bool { return state.Fact(vm, "vmid") != "" },
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return todo
}

func (b *bench) down() error {
	return b.executor().Down(b.t.Context(), b.removal(b.observe()))
}

// strangers is everything on the server that is not the lab's.
func (b *bench) strangers() string {
	var lines []string
	for _, vm := range b.cluster.VMs() {
		if vm.ID < b.lab.VMIDs.First || vm.ID > b.lab.VMIDs.Last {
			lines = append(lines, fmt.Sprintf("%d %v", vm.ID, vm.Config))
		}
	}
	for _, volume := range b.cluster.Volumes() {
		if !b.isOurs(volume) {
			lines = append(lines, fmt.Sprint(volume))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func (b *bench) isOurs(volume pvesim.VolumeState) bool {
	return volume.VMID >= b.lab.VMIDs.First && volume.VMID <= b.lab.VMIDs.Last
}

// leftovers is everything of the lab on the server.
func (b *bench) leftovers() []string {
	var left []string
	for _, vm := range b.cluster.VMs() {
		if vm.ID >= b.lab.VMIDs.First && vm.ID <= b.lab.VMIDs.Last {
			left = append(left, fmt.Sprint("VM ", vm.ID))
		}
	}
	for _, volume := range b.cluster.Volumes() {
		if b.isOurs(volume) {
			left = append(left, fmt.Sprint("volume ", volume.ID))
		}
	}
	return left
}

func onBothMajors(t *testing.T, test func(t *testing.T, major int)) {
	for _, major := range []int{8, 9} {
		t.Run(fmt.Sprint("PVE ", major), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, major) })
		})
	}
}

func TestLifeOfALab(t *testing.T) {
	onBothMajors(t, func(t *testing.T, major int) {
		b := newBench(t, major, func(topology *pvesim.Topology) { topology.Timings = pvesim.Realistic() })
		before := b.strangers()
		begun := time.Now()
		if err := b.executor().Up(t.Context(), b.planUp()); err != nil {
			t.Fatal(err)
		}
		requestsUp, took := len(b.cluster.Requests()), time.Since(begun)
		for _, vm := range b.lab.VMs {
			found, ok := b.observe().VM(vm.Name)
			if !ok || !found.Running {
				t.Errorf("VM %s is not running after up", vm.Name)
			}
			if err := plan.Drift(b.lab, vm, int(found.Ref.ID), found.Config); err != nil {
				t.Error(err)
			}
		}
		if again := b.planUp(); again.Changes() != 0 {
			t.Errorf("a second up would change %d things", again.Changes())
		}
		atDown := len(b.cluster.Requests())
		if err := b.down(); err != nil {
			t.Fatal(err)
		}
		t.Logf("up: %d requests, %s of the server's time; down with proof: %d requests", requestsUp, took, len(b.cluster.Requests())-atDown)
		if left := b.leftovers(); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
		if diff := cmp.Diff(before, b.strangers()); diff != "" {
			t.Errorf("strangers' things changed (-before +after)\n%s", diff)
		}
		if open := b.journal.State().Open; len(open) != 0 {
			t.Errorf("open intents: %+v", open)
		}
		if err := pvesim.CheckRequests(b.cluster.Requests()); err != nil {
			t.Errorf("not valid against the real schemas: %v", err)
		}
	})
}

func TestFailedReadinessStopsTheOthersAndNothingStays(t *testing.T) {
	onBothMajors(t, func(t *testing.T, major int) {
		b := newBench(t, major, nil)
		executor := b.executor()
		executor.Readiness = alwaysReady{fail: map[string]error{"4gb": errors.New("no SSH on 4gb")}}
		err := executor.Up(t.Context(), b.planUp())
		if err == nil || !strings.Contains(err.Error(), "no SSH on 4gb") || strings.Contains(err.Error(), "stopped because") {
			t.Fatalf("error %v: want the failing VM's alone", err)
		}
		if err := b.down(); err != nil {
			t.Fatal(err)
		}
		if left := b.leftovers(); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})
}

func TestTakenVMIDIsNeverAdopted(t *testing.T) {
	onBothMajors(t, func(t *testing.T, major int) {
		b := newBench(t, major, func(topology *pvesim.Topology) {
			topology.VMs = append(topology.VMs, pvesim.VMSpec{VMID: 9100, Name: "stranger", Config: map[string]string{"memory": "512"}})
		})
		todo := b.planUp()
		for i := range todo.Sequences { // somebody takes VMID 9100 after the plan was made
			todo.Sequences[i].VMID = 9100 + i
		}
		if err := b.executor().Up(t.Context(), todo); err != nil {
			t.Fatal(err)
		}
		stranger, ok := b.cluster.VM(9100)
		if !ok || stranger.Config["name"] != "stranger" {
			t.Errorf("VM 9100 = %+v", stranger)
		}
		if n := len(b.observe().VMs); n != 3 {
			t.Errorf("%d VMs of ours", n)
		}
		if err := b.down(); err != nil {
			t.Fatal(err)
		}
		if _, ok := b.cluster.VM(9100); !ok {
			t.Error("the stranger's VM is gone")
		}
	})
}

func TestCancelledUpLeavesNoTaskBehind(t *testing.T) {
	onBothMajors(t, func(t *testing.T, major int) {
		b := newBench(t, major, func(topology *pvesim.Topology) { topology.Timings = pvesim.Realistic() })
		todo := b.planUp()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel) // in the middle of the clones
		err := b.executor().Up(ctx, todo)
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("error %v", err)
		}
		for _, task := range b.cluster.Tasks() {
			if task.Status == "" {
				t.Errorf("task %s still runs: nobody waited for it", task.UPID)
			}
		}
		if err := b.down(); err != nil {
			t.Fatal(err)
		}
		if left := b.leftovers(); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})
}

func TestDestroyReadsTheMarkAgain(t *testing.T) {
	onBothMajors(t, func(t *testing.T, major int) {
		b := newBench(t, major, nil)
		if err := b.executor().Up(t.Context(), b.planUp()); err != nil {
			t.Fatal(err)
		}
		todo := b.removal(b.observe())
		victim := todo.Sequences[0]
		ref := pve.VMRef{Node: victim.Node, ID: pve.VMID(victim.VMID)}
		if _, _, err := b.client.SetVMConfig(t.Context(), ref, pve.ConfigChange{
			Set: []pve.Param{{Key: "description", Value: "mine now"}}, BackgroundDelay: 10 * time.Second,
		}); err != nil {
			t.Fatal(err)
		}
		err := b.executor().Down(t.Context(), todo)
		var left *change.LeftoverError
		if !errors.As(err, &left) || !strings.Contains(err.Error(), "left alone") {
			t.Errorf("error %v", err)
		}
		if _, ok := b.cluster.VM(victim.VMID); !ok {
			t.Error("a VM without our mark was destroyed")
		}
	})
}
