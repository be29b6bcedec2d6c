package labrun_test

import (
	"slices"
	"testing"

	"labctl/pkg/lab/change"
	"labctl/pkg/pvesim"
)

// noWorker makes pvedaemon lose the worker of every creation of a VM, after PVE has taken the VMID for it.
var noWorker = pvesim.Faults{Faults: []pvesim.Fault{{
	Request: &pvesim.RequestMatch{Method: "POST", Path: "/nodes/*/qemu"}, Times: -1, Do: pvesim.Action{NoWorker: true},
}}}

// unlockAndDestroy says whether root is told how to give the VMID back.
func unlockAndDestroy(err error, id string) bool {
	return slices.ContainsFunc(leftoversIn(err), func(left *change.LeftoverError) bool {
		return slices.Contains(left.Commands(), "qm unlock "+id+"; qm destroy "+id)
	})
}

// The empty VM with which down looks for volumes is half made: it is ours until it is proved gone, whichever process looks.
func TestAHalfMadeProbeIsOurs(t *testing.T) {
	tell(t, 2, nil, func(s story) {
		s.mustUp()
		s.cluster.SetFaults(noWorker)
		err := s.downLeaves()
		if !unlockAndDestroy(err, "9100") || !unlockAndDestroy(err, "9101") {
			s.Errorf("root is told: %v", err)
		}
		s.cluster.SetFaults(pvesim.Faults{})
		again := s.downLeaves()
		if !unlockAndDestroy(again, "9100") || !unlockAndDestroy(again, "9101") {
			s.Errorf("root is told by the next: %v", again)
		}
		s.root(again)
		s.mustDown()
	})
}

// Nor is one forgotten with which down only looks, since nothing but the task list says that the lab worked on the VMID.
func TestAHalfMadeProbeIsOursWithoutState(t *testing.T) {
	tell(t, 1, nil, func(s story) {
		s.mustUp()
		s.mustDown()
		s.loseState()
		s.cluster.SetFaults(noWorker)
		err := s.downLeaves()
		s.cluster.SetFaults(pvesim.Faults{})
		if !unlockAndDestroy(err, "9100") {
			s.Errorf("root is told: %v", err)
		}
		again := s.downLeaves()
		if !unlockAndDestroy(again, "9100") {
			s.Errorf("root is told by the next: %v", again)
		}
		s.root(again)
		s.mustDown()
	})
}

// A process that is killed before it reads the answer leaves the next one to find out.
func TestAHalfMadeProbeOfAKilledProcess(t *testing.T) {
	tell(t, 1, nil, func(s story) {
		s.mustUp()
		s.cluster.SetFaults(noWorker)
		for at := 1; !s.isHalfMade(); at++ {
			if at > 9 {
				s.Fatal("no process was killed after its probe was half made")
			}
			_, _ = s.process(at, afterEffect).down(s.Context(), s.spec)
		}
		s.cluster.SetFaults(pvesim.Faults{})
		err := s.downLeaves()
		if !unlockAndDestroy(err, "9100") {
			s.Errorf("root is told: %v", err)
		}
		s.root(err)
		s.mustDown()
	})
}

// isHalfMade says whether VM 9100 is locked by its creation.
func (s story) isHalfMade() bool {
	vm, _ := s.cluster.VM(9100)
	return vm.Config["lock"] == "create"
}
