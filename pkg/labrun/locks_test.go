package labrun_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"labctl/pkg/apply"
	"labctl/pkg/pvesim"
)

// openGates let everything through, as a tool does that only counts on PVE's own locks.
type openGates struct{}

func (openGates) Enter(context.Context, apply.Gate) (func(), error) { return func() {}, nil }

// lifeOfTwenty brings a lab of 20 VMs up and down on a server whose zvols take long, and counts PVE's lock time-outs.
func lifeOfTwenty(t *testing.T, major int, gates apply.Gates) (timeouts int, upTook, downTook time.Duration, left []string) {
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
				timeouts, up, down, left := lifeOfTwenty(t, major, &apply.LocalGates{})
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
	free := apply.Gate{Kind: apply.GateFree, Node: "pve", AtOnce: 1}
	leave, err := gates.Enter(t.Context(), free)
	if err != nil {
		t.Fatal(err)
	}
	if other, err := gates.Enter(t.Context(), apply.Gate{Kind: apply.GateAllocate, Node: "pve", AtOnce: 3}); err != nil {
		t.Errorf("another kind waits: %v", err)
	} else {
		other()
	}
	hurried, cancel := context.WithTimeoutCause(t.Context(), 120*time.Millisecond, os.ErrDeadlineExceeded)
	defer cancel()
	if _, err := gates.Enter(hurried, free); err == nil || !strings.Contains(err.Error(), os.ErrDeadlineExceeded.Error()) {
		t.Errorf("a full gate let a second one in, or lost the reason: %v", err)
	}
	entered := make(chan error)
	go func() {
		leave, err := gates.Enter(t.Context(), free)
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
