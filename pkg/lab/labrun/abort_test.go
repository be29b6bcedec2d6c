package labrun_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"labctl/pkg/labspec"
	"labctl/pkg/pvesim"
)

// aborts says when tasks were aborted.
func (s story) aborts() []time.Time {
	var times []time.Time
	for _, r := range s.cluster.Requests() {
		if r.Method == "DELETE" && strings.Contains(r.Path, "/tasks/") {
			times = append(times, r.Time)
		}
	}
	return times
}

// slowClone makes the clone of a disk take as long as PVE lets one wait for a busy storage, and longer.
var slowClone = pvesim.Faults{Faults: []pvesim.Fault{{Volume: &pvesim.VolumeMatch{Operation: "clone"}, Times: -1, Do: pvesim.Action{Delay: 40 * time.Second}}}}

// A linked clone ends by itself. Aborted while it waits for a storage, it would leave `lock: clone` and its volumes for ever.
func TestDownAwaitsALinkedClone(t *testing.T) {
	tell(t, 2, nil, func(s story) {
		s.cluster.SetFaults(slowClone)
		victim := s.process(2, afterAnswer)
		var zombie sync.WaitGroup
		zombie.Go(func() { _ = victim.up(context.WithoutCancel(s.Context()), s.spec) })
		<-victim.kill.died
		zombie.Wait()
		s.mustDown()
		if aborts := s.aborts(); len(aborts) > 0 {
			s.Errorf("%d clones were aborted", len(aborts))
		}
	})
}

// Ctrl-C does not abort a linked clone either.
func TestInterruptAwaitsALinkedClone(t *testing.T) {
	tell(t, 2, nil, func(s story) {
		s.cluster.SetFaults(slowClone)
		ctx, interrupt := context.WithCancel(s.Context())
		time.AfterFunc(15*time.Second, interrupt)
		if err := s.process(0, never).up(ctx, s.spec); !errors.Is(err, context.Canceled) || len(leftoversIn(err)) > 0 {
			s.Errorf("error %v", err)
		}
		if aborts := s.aborts(); len(aborts) > 0 {
			s.Errorf("%d clones were aborted", len(aborts))
		}
		if left := s.leftovers(); len(left) > 0 {
			s.Errorf("left behind: %v", left)
		}
	})
}

// A full clone is aborted once it copies, not while its volume is made.
func TestAFullCloneIsAbortedOnlyWhileItCopies(t *testing.T) {
	slow := func(topology *pvesim.Topology) {
		topology.Timings = pvesim.Realistic()
		topology.Templates[0].DiskMiB = 200 << 10
	}
	tell(t, 1, slow, func(s story) {
		s.spec.Lab.Clone = labspec.CloneFull
		s.spec.Lab.VMs[0].OSDisk.Size = 200 << 30
		const making = 30 * time.Second
		s.cluster.SetFaults(pvesim.Faults{Faults: []pvesim.Fault{{
			Volume: &pvesim.VolumeMatch{Operation: "create", Name: "vm-9100-disk-0"}, Do: pvesim.Action{Delay: making},
		}}})
		ctx, interrupt := context.WithCancel(s.Context())
		begun := time.Now()
		time.AfterFunc(5*time.Second, interrupt)
		if err := s.process(0, never).up(ctx, s.spec); !errors.Is(err, context.Canceled) || len(leftoversIn(err)) > 0 {
			s.Errorf("error %v", err)
		}
		aborts := s.aborts()
		if len(aborts) != 1 || aborts[0].Sub(begun) < making || aborts[0].Sub(begun) > making+15*time.Second {
			s.Errorf("aborted at %v after the beginning at %v", aborts, begun)
		}
		if left := s.leftovers(); len(left) > 0 {
			s.Errorf("left behind: %v", left)
		}
	})
}
