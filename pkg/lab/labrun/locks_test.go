package labrun_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"labctl/pkg/lab/change"
	"labctl/pkg/labspec"
	"labctl/pkg/pvesim"
)

// openGates let everything through, as a tool does that only counts on PVE's own locks.
type openGates struct{}

func (openGates) Enter(context.Context, change.Gate, func() int) (func(), error) {
	return func() {}, nil
}

// lifeOfTwenty brings a lab of 20 VMs up and down on a server whose zvols take long, and counts PVE's lock time-outs.
func lifeOfTwenty(t *testing.T, major int, gates change.Gates) (timeouts int, upTook, downTook time.Duration, left []string) {
	topology := pvesim.SandboxTopology(major)
	topology.Timings = pvesim.Realistic()
	w, err := newWorld(t, t.TempDir(), topology)
	if err != nil {
		t.Fatal(err)
	}
	p, err := w.start(0, never)
	if err != nil {
		t.Fatal(err)
	}
	p.Gates = gates
	spec := labSpec("twenty", 20, 9100)
	begun := time.Now()
	if err := p.up(t.Context(), spec); err != nil {
		t.Logf("up: %v", err)
	}
	upTook, begun = time.Since(begun), time.Now()
	if _, err := p.down(t.Context(), spec); err != nil {
		t.Logf("down: %v", err)
	}
	downTook = time.Since(begun)
	for _, task := range w.cluster.Tasks() {
		timeouts += strings.Count(task.Status+"\n"+strings.Join(task.Log, "\n"), "got timeout")
	}
	return timeouts, upTook, downTook, w.leftovers()
}

// Twenty VMs come and go without one lock time-out, and a naive tool, which lets everything run at once, does get them.
func TestTwentyVMsWithoutALockTimeout(t *testing.T) {
	for _, major := range []int{8, 9} {
		t.Run(fmt.Sprint("PVE ", major), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				timeouts, up, down, left := lifeOfTwenty(t, major, &change.LocalGates{})
				t.Logf("gated: up %s, down with proof %s, %d lock time-outs", up, down, timeouts)
				if timeouts > 0 || len(left) > 0 {
					t.Errorf("%d lock time-outs, left: %v", timeouts, left)
				}
			})
			synctest.Test(t, func(t *testing.T) {
				timeouts, up, down, left := lifeOfTwenty(t, major, openGates{})
				t.Logf("naive: up %s, down with proof %s, %d lock time-outs, left: %v", up, down, timeouts, left)
				if timeouts == 0 {
					t.Error("a naive tool got no lock time-out: the test above cannot fail")
				}
			})
		})
	}
}

// Two processes of one state directory share the gates, and a slot comes back when its holder dies.
func TestFileGates(t *testing.T) {
	gates := newFileGates(t)
	one := func() int { return 1 }
	free := change.Gate{Kind: change.GateFree, Node: "pve"}
	leave, err := gates.Enter(t.Context(), free, one)
	if err != nil {
		t.Fatal(err)
	}
	if other, err := gates.Enter(t.Context(), change.Gate{Kind: change.GateAllocate, Node: "pve"}, one); err != nil {
		t.Errorf("another kind waits: %v", err)
	} else {
		other()
	}
	hurried, cancel := context.WithTimeoutCause(t.Context(), 120*time.Millisecond, os.ErrDeadlineExceeded)
	defer cancel()
	if _, err := gates.Enter(hurried, free, one); err == nil || !strings.Contains(err.Error(), os.ErrDeadlineExceeded.Error()) {
		t.Errorf("a full gate let a second one in, or lost the reason: %v", err)
	}
	entered := make(chan error)
	go func() {
		leave, err := gates.Enter(t.Context(), free, one)
		if err == nil {
			leave()
		}
		entered <- err
	}()
	leave()
	if err := <-entered; err != nil {
		t.Error(err)
	}
}

// A lab does not wait until another one has copied its disks. On 8 only that one's journal tells that a clone is its own; on
// 9 the clone's log does too.
func TestUpDoesNotAwaitAnotherLabsFullClone(t *testing.T) {
	slow := func(topology *pvesim.Topology) {
		topology.Timings = pvesim.Realistic()
		topology.Templates[0].DiskMiB = 200 << 10
	}
	for _, sameState := range []bool{true, false} {
		tell(t, 1, slow, func(s story) {
			if !sameState && strings.HasSuffix(s.Name(), "8#01") {
				return // nothing tells
			}
			s.spec.Lab.VMs[0].OSDisk.Size = 200 << 30
			copying := labSpec("copying", 1, 9200)
			copying.Lab.Clone, copying.Lab.VMs[0].OSDisk.Size = labspec.CloneFull, 200<<30
			other := s.process(0, never)
			if !sameState {
				other.Store.Root += "-other"
			}
			var wait sync.WaitGroup
			var otherErr error
			wait.Go(func() { otherErr = other.up(s.Context(), copying) })
			<-time.After(30 * time.Second)
			begun := time.Now()
			s.mustUp()
			if took := time.Since(begun); took > 30*time.Second || len(s.running()) == 0 {
				s.Errorf("up took %s, running: %v", took, s.running())
			}
			wait.Wait()
			if _, err := other.down(s.Context(), copying); otherErr != nil || err != nil {
				s.Error(otherErr, err)
			}
			s.mustDown()
		})
	}
}

// Removals go side by side on a server that is quick, and one at a time on one whose storage needs 4 s for each volume: PVE's lock is
// waited for in vain nowhere.
func TestRemovalsGoAsFastAsTheStorage(t *testing.T) {
	took := map[time.Duration]time.Duration{}
	for _, free := range []time.Duration{100 * time.Millisecond, 4 * time.Second} {
		tell(t, 8, func(topology *pvesim.Topology) {
			topology.Timings = pvesim.Realistic()
			topology.Timings.Free = free
		}, func(s story) {
			s.mustUp()
			begun, before := time.Now(), len(s.cluster.Tasks())
			s.mustDown()
			took[free] = time.Since(begun)
			for _, task := range s.cluster.Tasks()[before:] {
				if strings.Contains(task.Status+strings.Join(task.Log, "\n"), "got timeout") {
					s.Errorf("%v a volume: %s waited for a lock in vain", free, task.UPID)
				}
			}
			s.Logf("%v a volume: down of 8 VMs took %v", free, took[free])
		})
	}
	if quick := took[100*time.Millisecond]; quick > 25*time.Second {
		t.Errorf("down of 8 VMs took %v on a quick server", quick)
	}
}
