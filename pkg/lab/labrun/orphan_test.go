package labrun_test

import (
	"strings"
	"testing"
	"time"

	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/labrun"
	"labctl/pkg/pvesim"
)

// withOrphans puts disks of VMs that are gone onto the storage zfs, under VMIDs that look free: no token of a pool can see them.
func withOrphans(names ...string) func(*pvesim.Topology) {
	return func(topology *pvesim.Topology) {
		for i := range topology.Storages {
			if topology.Storages[i].Name != "zfs" {
				continue
			}
			for _, name := range names {
				vmid := 9100
				if strings.Contains(name, "9101") {
					vmid = 9101
				}
				topology.Storages[i].Orphans = append(topology.Storages[i].Orphans, pvesim.OrphanSpec{VMID: vmid, Name: name, SizeBytes: orphanBytes})
			}
		}
	}
}

// Somebody else's disks lie under the VMIDs that the lab gets, with the names that the lab's own disks would have had. They
// outlive the lab, wherever it is killed: PVE's destroy would sweep them away.
func TestDisksThatWereThereBeforeStay(t *testing.T) {
	for _, when := range []moment{never, beforeSend, afterEffect, afterAnswer} {
		tell(t, 2, withOrphans("vm-9100-disk-0", "vm-9100-disk-1", "vm-9101-disk-0"), func(s story) {
			for at := 1; at <= 20; at++ {
				_ = s.process(at, when).up(s.Context(), s.spec)
				_, _ = s.process(at, when).down(s.Context(), s.spec)
				s.mustDown()
				if when == never {
					break
				}
			}
			if !s.talk.said("volume zfs:vm-9100-disk-0 was there before VM 9100 was made: left alone") {
				s.Error("it does not say what it left alone")
			}
		})
	}
}

// With the state lost, the VM's configuration tells what is its own.
func TestDisksThatWereThereBeforeStayWithoutState(t *testing.T) {
	tell(t, 2, withOrphans("vm-9100-disk-0", "vm-9101-disk-0", "vm-9101-disk-1"), func(s story) {
		s.mustUp()
		s.loseState()
		if removed := s.mustDown(); removed.VMs != 2 {
			s.Errorf("removed %+v", removed)
		}
		s.mustUp()
		s.loseState()
		<-time.After(inventory.Lifetime + time.Hour)
		if _, err := s.process(0, never).gc(s.Context(), map[string]labrun.Spec{"lab": s.spec}); err != nil {
			s.Error(err)
		}
		if left := s.leftovers(); len(left) > 0 {
			s.Errorf("left behind: %v", left)
		}
	})
}

// Whether a disk with a higher number was there before is not known: it is left, and a person is told to look at it.
func TestADiskOfUnknownOriginIsReported(t *testing.T) {
	tell(t, 1, withOrphans("vm-9100-disk-1", "vm-9100-disk-3"), func(s story) {
		s.mustUp()
		own := s.process(0, never)
		own.Words.Leave = []string{"zfs:base-9000-disk-0/vm-9100-disk-0"}
		if _, err := own.down(s.Context(), s.spec); err == nil || !strings.Contains(err.Error(), "would go with it: give it to another VM first") {
			s.Errorf("error %v", err)
		}
		err := s.downLeaves()
		for _, want := range []string{"look at them before removing them", "pvesm free zfs:vm-9100-disk-1", "pvesm free zfs:vm-9100-disk-3"} {
			if !strings.Contains(err.Error(), want) {
				s.Errorf("%q is missing: %v", want, err)
			}
		}
		if left := s.leftovers(); len(left) > 0 {
			s.Errorf("left behind: %v", left)
		}
		looked := s.process(0, never)
		looked.Words.Leave = []string{"zfs:vm-9100-disk-1", "zfs:vm-9100-disk-3"}
		if _, err := looked.down(s.Context(), s.spec); err != nil {
			s.Error(err)
		}
		s.mustDown()
	})
}

// PVE's destroy finds a zvol busy and leaves it beside somebody else's: ours alone is named.
func TestABusyDiskBesideAStrangersIsReported(t *testing.T) {
	tell(t, 1, withOrphans("vm-9100-disk-0"), func(s story) {
		s.mustUp()
		s.cluster.SetFaults(pvesim.Faults{Faults: []pvesim.Fault{{Volume: &pvesim.VolumeMatch{Operation: "destroy", Name: "vm-9100-disk-2"}, Times: -1, Do: pvesim.Action{Busy: true}}}})
		err := s.downLeaves()
		if !strings.Contains(err.Error(), "pvesm free zfs:vm-9100-disk-2") || strings.Contains(err.Error(), "pvesm free zfs:vm-9100-disk-0") {
			s.Errorf("the operator is told: %v", err)
		}
		s.cluster.SetFaults(pvesim.Faults{})
		s.root(err)
		s.mustDown()
	})
}

// A clone whose answer was lost ended well, and root destroyed its VM since, of which a disk stayed. From PVE 9 on the clone's
// log tells that it was ours.
func TestALostCloneIsKnownByItsLog(t *testing.T) {
	tell(t, 1, nil, func(s story) {
		victim := s.process(1, afterEffect)
		_ = victim.up(s.Context(), s.spec)
		for len(s.running()) > 0 {
			<-time.After(time.Second)
		}
		s.cluster.SetFaults(pvesim.Faults{Faults: []pvesim.Fault{{Volume: &pvesim.VolumeMatch{Operation: "destroy", Name: "vm-9100-disk-0"}, Times: -1, Do: pvesim.Action{Busy: true}}}})
		s.asRoot("DELETE", "/nodes/pve/qemu/9100")
		s.cluster.SetFaults(pvesim.Faults{})
		if len(s.leftovers()) == 0 {
			s.Fatal("nothing stayed: the test tests nothing")
		}
		if strings.HasSuffix(s.Name(), "PVE_8") {
			return // its logs do not tell
		}
		err := s.downLeaves()
		if !strings.Contains(err.Error(), "pvesm free zfs:base-9000-disk-0/vm-9100-disk-0") {
			s.Errorf("the operator is told: %v", err)
		}
		s.root(err)
		s.mustDown()
	})
}
