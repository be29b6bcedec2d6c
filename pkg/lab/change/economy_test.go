package change_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"labctl/pkg/lab/change"
	"labctl/pkg/lab/guest"
	"labctl/pkg/lab/guestsetup"
	"labctl/pkg/labspec"
	"labctl/pkg/pve"
	"labctl/pkg/pvesim"
	"labctl/pkg/remote"
)

// bootTime is how long a VM takes from its start until its sshd and its agent answer.
const bootTime = 20 * time.Second

// referenceTimings are those that other provisioning tools were measured with: full clone 8 s, one disk 1 s, resize 1 s,
// start 3 s, agent 20 s after the start, stop 2 s, destroy 2 s.
func referenceTimings() pvesim.Timings {
	timings := pvesim.Realistic()
	timings.CopyPerGiB, timings.Allocate, timings.Free = 2700*time.Millisecond, time.Second, 500*time.Millisecond
	timings.Resize, timings.Start, timings.Boot = time.Second, 3*time.Second, bootTime
	timings.Stop, timings.Destroy = 2*time.Second, 500*time.Millisecond
	return timings
}

// ownTime is the longest time that any one VM's tasks took on the server, waits for locks included, and its boot. Clones
// are filed under the template, so the longest one counts for every VM.
func ownTime(t *testing.T, client *pve.Client) time.Duration {
	t.Helper()
	tasks, err := client.Tasks(t.Context(), "pve", pve.TaskFilter{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	var clone, longest time.Duration
	perVM := map[string]time.Duration{}
	for _, task := range tasks {
		took := task.Ended.Sub(task.UPID.StartTime)
		if task.UPID.Type == "qmclone" {
			clone = max(clone, took)
			continue
		}
		perVM[task.UPID.ID] += took
		longest = max(longest, perVM[task.UPID.ID])
	}
	return clone + longest + bootTime
}

// waitingForGuests is the readiness that labctl uses, over a network that is only pretended.
type waitingForGuests struct {
	client *pve.Client
	mu     sync.Mutex
	booted map[string]time.Time
}

func (w *waitingForGuests) reach(_ context.Context, address string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.booted[address].IsZero() {
		w.booted[address] = time.Now().Add(bootTime)
	}
	if time.Now().Before(w.booted[address]) {
		return errors.New("no route to host")
	}
	return nil
}

// pretendedHost prints the facts of a sandbox's guest.
type pretendedHost struct{}

func (pretendedHost) Run(_ context.Context, command remote.Command) (remote.Output, error) {
	if command.Script == "" {
		return remote.Output{Stdout: []byte("b00d\n")}, nil
	}
	return remote.Output{Stdout: []byte("kind=host-process\ndirectory=/opt/data\nfio_version=fio-3.33\nboot_id=b00d\n")}, nil
}

func (pretendedHost) Close() error { return nil }

func (w *waitingForGuests) Await(ctx context.Context, vm change.VM) (map[string]string, error) {
	waiter := guest.Waiter{
		Agent: w.client, ParseFacts: guestsetup.ParseFacts, Reach: w.reach,
		Connect: func(context.Context, guest.VM, string, string) (guest.Host, error) { return pretendedHost{}, nil },
	}
	ready, err := waiter.Await(ctx, guest.VM{
		Name: vm.Spec.Name, Ref: vm.Ref, Address: netip.AddrFrom4([4]byte{10, 0, byte(vm.Index >> 8), byte(vm.Index)}),
		Prepare: remote.Command{Script: "prepare"},
	})
	return ready.Facts, err
}

// cost is what a lab's life took.
type cost struct {
	up, down         int // requests
	upTook, downTook time.Duration
	ownTook          time.Duration // the longest VM's own time on the server
}

// lifeOf brings a lab of n VMs up and down and counts.
func lifeOf(t *testing.T, major, n int) cost {
	t.Helper()
	b := newBench(t, major, func(topology *pvesim.Topology) { topology.Timings = referenceTimings() })
	one := b.lab.VMs[0]
	b.lab.VMs, b.lab.VMIDs = nil, labspec.VMIDRange{First: 10000, Last: 10000 + n}
	b.lab.Network.Address, b.lab.Clone = labspec.AddressPattern{}, labspec.CloneFull
	for i := range n {
		vm := one
		vm.Name = fmt.Sprintf("vm-%03d", i)
		b.lab.VMs = append(b.lab.VMs, vm)
	}
	begun := time.Now()
	executor := b.executor()
	executor.Readiness = &waitingForGuests{client: b.client, booted: map[string]time.Time{}}
	if err := executor.Up(t.Context(), b.planUp()); err != nil {
		t.Fatal(err)
	}
	spent := cost{up: len(b.cluster.Requests()), upTook: time.Since(begun)}
	spent.ownTook = ownTime(t, b.client)
	asked := len(b.cluster.Requests())
	if testing.Verbose() {
		for _, r := range b.cluster.Requests() {
			if n == 3 {
				t.Log(r.Time.Format("05.000"), r.Method, r.Path, r.Query)
			}
		}
	}
	begun = time.Now()
	if err := b.down(); err != nil {
		t.Fatal(err)
	}
	spent.down, spent.downTook = len(b.cluster.Requests())-asked, time.Since(begun)
	if left := b.leftovers(); len(left) > 0 {
		t.Fatalf("left behind: %v", left)
	}
	return spent
}

// Creating three VMs costs real servers 84 requests with the best Terraform provider, and destroying them 99, without a
// proof that nothing is left. Two of the requests for each VM look at what the started VM runs with.
func TestRequestEconomy(t *testing.T) {
	for _, major := range []int{8, 9} {
		t.Run(fmt.Sprint("PVE ", major), func(t *testing.T) {
			var few, many cost
			synctest.Test(t, func(t *testing.T) { few = lifeOf(t, major, 3) })
			synctest.Test(t, func(t *testing.T) { many = lifeOf(t, major, 100) })
			var lines strings.Builder
			for _, row := range []struct {
				n int
				cost
			}{{3, few}, {100, many}} {
				fmt.Fprintf(&lines, "\n%3d VMs: up %4d requests (%.1f per VM) in %s; down with proof %4d (%.1f per VM) in %s; one VM's own time %s",
					row.n, row.up, float64(row.up)/float64(row.n), row.upTook, row.down, float64(row.down)/float64(row.n), row.downTook, row.ownTook)
			}
			t.Log(lines.String())
			if few.up > 50 || few.down > 45 {
				t.Errorf("3 VMs cost %d requests up and %d down, want at most 50 and 45", few.up, few.down)
			}
			if limit := few.ownTook + few.ownTook/10; few.upTook > limit {
				t.Errorf("3 VMs were up after %s, want at most %s", few.upTook, limit)
			}
			if many.up*3 > few.up*100 || many.down*3 > few.down*100 {
				t.Errorf("a VM costs more requests among 100 than among 3")
			}
		})
	}
}
