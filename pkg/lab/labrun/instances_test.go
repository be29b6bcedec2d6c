package labrun_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/labrun"
	"labctl/pkg/pvesim"
)

// elsewhere is a process with another state directory, as on another machine or in another container.
func (s story) elsewhere() *process {
	s.Helper()
	p := s.process(0, never)
	p.Store.Machine = "other"
	p.Store.Root += "-other"
	return p
}

// leftToOthers fails unless the command said that the lab is up elsewhere.
func (s story) leftToOthers(err error) {
	s.Helper()
	var up *labrun.ElsewhereError
	if !errors.As(err, &up) {
		s.Errorf("error %v does not say that the lab is up elsewhere", err)
	}
}

// A lab that another state directory brought up may be in use: neither up nor down touches it, and down does not end well
// while it is there. A person's word removes it.
func TestALiveRunOfAnotherStateDirectoryIsLeftAlone(t *testing.T) {
	tell(t, 2, nil, func(s story) {
		s.mustUp()
		other := s.elsewhere()
		s.leftToOthers(other.up(s.Context(), s.spec))
		_, err := other.down(s.Context(), s.spec)
		s.leftToOthers(err)
		for _, vmid := range []int{9100, 9101} {
			if vm, there := s.cluster.VM(vmid); !there || !vm.Running {
				s.Errorf("VM %d was touched", vmid)
			}
		}
		other.AllRuns = true
		if removed, err := other.down(s.Context(), s.spec); err != nil || removed.VMs != 2 {
			s.Errorf("down --all-runs removed %+v: %v", removed, err)
		}
		s.mustDown() // whose journal finds everything gone
	})
}

// The same path on another machine is another state directory; the same path on the same machine is the same one, whose state
// may be lost.
func TestAStateDirectoryIsAMachineAndAPath(t *testing.T) {
	tell(t, 1, nil, func(s story) {
		on := func(machine string) *process {
			p := s.process(0, never)
			p.Store.Machine = machine
			return p
		}
		if err := on("container-1").up(s.Context(), s.spec); err != nil {
			s.Fatal(err)
		}
		s.loseState()
		_, err := on("container-2").down(s.Context(), s.spec)
		s.leftToOthers(err)
		if removed, err := on("container-1").down(s.Context(), s.spec); err != nil || removed.VMs != 1 {
			s.Errorf("removed %+v: %v", removed, err)
		}
	})
}

// What nobody removed until it expired is this owner's to remove from anywhere.
func TestAnExpiredRunOfAnotherStateDirectoryIsRemoved(t *testing.T) {
	tell(t, 1, nil, func(s story) {
		s.mustUp()
		<-time.After(inventory.Lifetime + time.Second)
		if removed, err := s.elsewhere().down(s.Context(), s.spec); err != nil || removed.VMs != 1 {
			s.Errorf("removed %+v: %v", removed, err)
		}
		s.mustDown()
	})
}

// Without another word the API token is the owner, so that a container with the token finds what another one left.
func TestTheTokenIsTheOwner(t *testing.T) {
	tell(t, 1, nil, func(s story) {
		first, second := s.process(0, never), s.elsewhere()
		first.Owner, second.Owner = "", ""
		if err := first.up(s.Context(), s.spec); err != nil {
			s.Fatal(err)
		}
		if vm, _ := s.cluster.VM(9100); !strings.Contains(vm.Config["description"], second.server.TokenID) {
			s.Errorf("the notes do not name the token: %s", vm.Config["description"])
		}
		found, err := second.Find(s.Context(), second.server)
		if err != nil || len(found) != 1 || found[0].Standing != labrun.StandingElsewhere {
			s.Errorf("found %+v: %v", found, err)
		}
		if _, err := second.Collect(s.Context(), second.server, found[0]); err != nil {
			s.Error(err)
		}
		if _, err := first.down(s.Context(), s.spec); err != nil {
			s.Error(err)
		}
	})
}

// Labs of the labctl before, whose owner was user@machine, are still this person's.
func TestLabsOfTheFormerOwnerAreOurs(t *testing.T) {
	tell(t, 1, nil, func(s story) {
		s.mustUp() // by "me@here"
		s.loseState()
		p := s.process(0, never)
		p.Owner, p.Former = "", "me@here"
		if removed, err := p.down(s.Context(), s.spec); err != nil || removed.VMs != 1 {
			s.Errorf("removed %+v: %v", removed, err)
		}
	})
}

// replaceNotes is what an operator does who puts a VM to another use.
func (s story) replaceNotes(vmid, notes string) {
	s.asRoot("PUT", "/nodes/pve/qemu/"+vmid+"/config", "description", notes)
}

// A VM that the run made is never "gone" because its notes were replaced: it is known by its SMBIOS UUID. A person says whose it
// is; no second VM is made beside it.
func TestAVMWithoutItsMarkIsReported(t *testing.T) {
	for _, word := range []string{"take", "leave"} {
		tell(t, 2, nil, func(s story) {
			s.mustUp()
			s.replaceNotes("9100", "our backup host, do not touch")
			if err := s.process(0, never).up(s.Context(), s.spec); err == nil || !strings.Contains(err.Error(), "--take 9100") {
				s.Errorf("up said %v", err)
			}
			err := s.downLeaves()
			if !strings.Contains(err.Error(), "`labctl down --take 9100`") || !strings.Contains(err.Error(), "SMBIOS UUID") {
				s.Errorf("down said %v", err)
			}
			if vm, there := s.cluster.VM(9100); !there || !vm.Running {
				s.Error("the VM was touched")
			}
			p := s.process(0, never)
			if word == "take" {
				p.Words.Take = []string{"9100"}
			} else {
				p.Words.Leave = []string{"9100"}
			}
			if _, err := p.down(s.Context(), s.spec); err != nil {
				s.Error(err)
			}
			if _, there := s.cluster.VM(9100); there != (word == "leave") {
				s.Errorf("--%s: the VM is there: %v", word, there)
			}
			if word == "leave" {
				s.asRoot("POST", "/nodes/pve/qemu/9100/status/stop")
				s.asRoot("DELETE", "/nodes/pve/qemu/9100")
			}
		})
	}
}

// --take does not remove a VM that the run did not make, whatever the person types.
func TestTakeIsNoWordOfPower(t *testing.T) {
	tell(t, 1, nil, func(s story) {
		s.mustUp()
		s.asRoot("POST", "/nodes/pve/qemu/9100/status/stop")
		s.asRoot("DELETE", "/nodes/pve/qemu/9100")
		s.asRoot("POST", "/nodes/pve/qemu", "vmid", "9100", "name", "foreign", "pool", "labctl")
		p := s.process(0, never)
		p.Words.Take = []string{"9100", "100"}
		if _, err := p.down(s.Context(), s.spec); err == nil || !strings.Contains(err.Error(), "--take 9100") {
			s.Errorf("down said %v", err)
		}
		if _, there := s.cluster.VM(9100); !there {
			s.Error("somebody else's VM is gone")
		}
		s.asRoot("DELETE", "/nodes/pve/qemu/9100")
		s.mustDown()
	})
}

// Right after our destroy somebody takes the VMID. What lies under it is all that VM's: the removal is proved, and their VM is
// left alone.
func TestAVMIDThatIsTakenBetweenDestroyAndProof(t *testing.T) {
	tell(t, 1, nil, func(s story) {
		s.mustUp()
		s.cluster.SetFaults(pvesim.Faults{Faults: []pvesim.Fault{{
			Request: &pvesim.RequestMatch{Method: "POST", Path: "/nodes/*/qemu"}, Do: pvesim.Action{Delay: 10 * time.Second},
		}}})
		var wait sync.WaitGroup
		wait.Go(func() {
			for {
				<-time.After(100 * time.Millisecond)
				if _, there := s.cluster.VM(9100); !there {
					break
				}
			}
			s.asRoot("POST", "/nodes/pve/qemu/9000/clone", "newid", "9100", "name", "foreign", "pool", "labctl", "full", "0")
		})
		if _, err := s.process(0, never).down(s.Context(), s.spec); err != nil {
			s.Error(err)
		}
		wait.Wait()
		if _, there := s.cluster.VM(9100); !there {
			s.Error("somebody else's VM is gone")
		}
		s.asRoot("DELETE", "/nodes/pve/qemu/9100")
	})
}
