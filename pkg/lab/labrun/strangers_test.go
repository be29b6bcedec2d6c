package labrun_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/journal"
	"labctl/pkg/lab/labrun"
	"labctl/pkg/pvesim"
)

// busy keeps the volume from being destroyed.
func (s story) busy(name string) {
	s.cluster.SetFaults(pvesim.Faults{Faults: []pvesim.Fault{{Volume: &pvesim.VolumeMatch{Operation: "destroy", Name: name}, Times: -1, Do: pvesim.Action{Busy: true}}}})
}

// linkedOrphan is the disk of somebody else's linked clone of the same template, whose VM is gone.
func (s story) linkedOrphan() {
	s.Helper()
	s.asRoot("POST", "/nodes/pve/qemu/9000/clone", "newid", "9100", "name", "foreign", "full", "0")
	s.busy("vm-9100-disk-0")
	s.asRoot("DELETE", "/nodes/pve/qemu/9100")
	s.cluster.SetFaults(pvesim.Faults{})
	if !s.has(linked) {
		s.Fatalf("no orphan is there: %v", s.cluster.Volumes())
	}
}

const linked = "zfs:base-9000-disk-0/vm-9100-disk-0"

func (s story) has(volume string) bool {
	return slices.ContainsFunc(s.volumeIDs(), func(id string) bool { return id == volume })
}

func (s story) failClone() {
	s.cluster.SetFaults(pvesim.Faults{Faults: []pvesim.Fault{{Task: &pvesim.TaskMatch{Type: "qmclone"}, Do: pvesim.Action{Fail: "moon phase"}}}})
}

// A colleague clones the same template. Where the lab's own clone fails, the disk of theirs that lies under the VMID stays, and a
// person is told to look at it, or says whose it is.
func TestALinkedDiskOfSomebodyElseStays(t *testing.T) {
	for _, leave := range [][]string{nil, {linked}} {
		tell(t, 1, nil, func(s story) {
			s.linkedOrphan()
			s.failClone()
			p := s.process(0, never)
			p.Words.Leave = leave
			err := p.up(s.Context(), s.spec)
			if !s.has(linked) {
				s.Errorf("the disk is gone; up said %v", err)
			}
			if told := strings.Contains(err.Error(), "pvesm free "+linked); told == (leave != nil) {
				s.Errorf("the operator is told: %v", err)
			}
		})
	}
}

// A disk with a lower number is of the run before, whose state is lost, when the task list tells of one.
func TestADiskBelowOursOfALostRunIsReported(t *testing.T) {
	tell(t, 1, nil, func(s story) {
		s.mustUp()
		s.busy("vm-9100-disk-0")
		s.downLeaves()
		s.cluster.SetFaults(pvesim.Faults{})
		s.loseState()
		s.mustUp()
		err := s.downLeaves()
		if !strings.Contains(err.Error(), "pvesm free "+linked) {
			s.Errorf("the operator is told: %v", err)
		}
		s.root(err)
		s.mustDown()
	})
}

// A configuration that fails may have allocated a disk that no configuration names, on a storage where the next one gets the next
// number. So a lower one is taken for nobody's then.
func TestADiskBelowOursAfterAFailedConfigurationIsReported(t *testing.T) {
	const disk = "zfs:vm-9100-disk-0"
	twoStorages := func(topology *pvesim.Topology) {
		withOrphans("vm-9100-disk-0")(topology)
		second := topology.Storages[1]
		second.Name, second.Dataset, second.Orphans = "zfs2", "rpool/second", nil
		topology.Storages = append(topology.Storages, second)
		topology.Templates[0].Storage = second.Name
		for _, grant := range slices.Clone(topology.Grants) {
			if grant.Path == "/storage/zfs" {
				grant.Path = "/storage/zfs2"
				topology.Grants = append(topology.Grants, grant)
			}
		}
	}
	tell(t, 1, twoStorages, func(s story) {
		s.cluster.SetFaults(pvesim.Faults{Faults: []pvesim.Fault{{Task: &pvesim.TaskMatch{Type: "qmconfig"}, Do: pvesim.Action{Kill: true, Delay: 10 * time.Millisecond}}}})
		run, err := s.process(0, never).Open(s.Context(), s.spec)
		if err != nil {
			s.Fatal(err)
		}
		_, upErr := run.Up(s.Context(), labrun.UpOptions{Readiness: ready{}, Keep: true})
		if err := run.Close(); err != nil || upErr == nil {
			s.Fatal(err, upErr)
		}
		s.mustUp()
		if err := s.downLeaves(); !strings.Contains(err.Error(), "pvesm free "+disk) {
			s.Errorf("the operator is told: %v", err)
		}
		s.leaves(disk)
	})
}

// What only the task list tells of is no more ours for having been looked at: the next down does not remove it either, and a
// person's word ends it.
func TestLookingAtAVMIDMakesNothingThereOurs(t *testing.T) {
	tell(t, 1, nil, func(s story) {
		s.mustUp()
		s.mustDown()
		s.linkedOrphan()
		s.loseState()
		for range 3 {
			err := s.downLeaves()
			if !s.has(linked) || !strings.Contains(err.Error(), "pvesm free "+linked) {
				s.Fatalf("the disk is gone, or the operator is told: %v", err)
			}
		}
		s.leaves(linked)
		if !s.has(linked) {
			s.Error("the disk is gone")
		}
	})
}

// Nor is a VM that somebody made there after the look.
func TestAVMMadeAfterTheLookIsNoneOfOurBusiness(t *testing.T) {
	tell(t, 1, nil, func(s story) {
		s.mustUp()
		s.mustDown()
		s.linkedOrphan()
		s.loseState()
		s.downLeaves()
		s.asRoot("POST", "/nodes/pve/qemu", "vmid", "9100", "name", "foreign")
		if _, err := s.process(0, never).down(s.Context(), s.spec); err != nil {
			s.Error(err)
		}
	})
}

// leaves takes the lab down, but for what is somebody else's.
func (s story) leaves(what string) {
	s.Helper()
	looked := s.process(0, never)
	looked.Words.Leave = []string{what}
	if _, err := looked.down(s.Context(), s.spec); err != nil {
		s.Error(err)
	}
}

// On PVE 8 a clone that never arrived cannot be told from one of another lab that the same token made then. As long as somebody's
// VM has the VMID nothing shows whose it is, but a person knows. From 9 on the clones' logs tell.
func TestAVMThatTookTheVMIDIsLeftOnAPersonsWord(t *testing.T) {
	tell(t, 1, behind(0), func(s story) {
		_ = s.process(1, beforeSend).up(s.Context(), s.spec)
		another := labSpec("another", 1, 9200)
		if err := s.process(0, never).up(s.Context(), another); err != nil {
			s.Fatal(err)
		}
		s.asRoot("POST", "/nodes/pve/qemu", "vmid", "9100", "name", "foreign")
		if logsTell := strings.HasSuffix(s.Name(), "PVE_9"); logsTell {
			if _, err := s.process(0, never).down(s.Context(), s.spec); err != nil {
				s.Error(err)
			}
		} else {
			for range 2 {
				if err := s.downLeaves(); !strings.Contains(err.Error(), "`labctl down --leave 9100`") {
					s.Errorf("the operator is told: %v", err)
				}
			}
		}
		if _, err := s.process(0, never).down(s.Context(), another); err != nil {
			s.Error(err)
		}
		s.leaves("9100")
		if removed := s.mustDown(); !removed.Nothing() {
			s.Errorf("the next down had something to do: %+v", removed)
		}
		if _, there := s.cluster.VM(9100); !there {
			s.Error("the VM of somebody else is gone")
		}
	})
}

// A person's word and the lab's mark contradict each other: nothing is removed before that is cleared up.
func TestAVMWithTheLabsMarkIsNotLeft(t *testing.T) {
	tell(t, 2, nil, func(s story) {
		s.mustUp()
		p := s.process(0, never)
		p.Words.Leave = []string{"9100"}
		if _, err := p.down(s.Context(), s.spec); err == nil || !strings.Contains(err.Error(), "--leave 9100 contradicts the VM's notes") {
			s.Errorf("error %v", err)
		}
		for _, vmid := range []int{9100, 9101} {
			if _, there := s.cluster.VM(vmid); !there {
				s.Errorf("VM %d is gone", vmid)
			}
		}
		s.mustDown()
	})
}

// What gc cannot prove it reports every time, whatever down says of it since, until a person's word ends it.
func TestGCTakesAPersonsWord(t *testing.T) {
	const disk = "zfs:vm-9100-disk-3"
	tell(t, 1, withOrphans("vm-9100-disk-3"), func(s story) {
		s.mustUp()
		s.loseState()
		<-time.After(inventory.Lifetime + time.Hour)
		for range 2 {
			_, err := s.process(0, never).gc(s.Context(), nil)
			if len(leftoversIn(err)) == 0 || !strings.Contains(err.Error(), "pvesm free "+disk) {
				s.Errorf("the operator is told: %v", err)
			}
		}
		looked := s.process(0, never)
		looked.Words.Leave = []string{disk}
		if _, err := looked.gc(s.Context(), nil); err != nil {
			s.Error(err)
		}
		if found, err := s.process(0, never).gc(s.Context(), nil); err != nil || len(found) > 0 {
			s.Errorf("the next gc finds %v, %v", found, err)
		}
	})
}

func (s story) volumeIDs() []string {
	var ids []string
	for _, volume := range s.cluster.Volumes() {
		ids = append(ids, volume.ID)
	}
	return ids
}

// What root is told to do when a removal fails frees nothing of somebody else's that lies under the VMID.
func TestAdvisedCommandsSpareTheDisksOfOthers(t *testing.T) {
	destroys := func(skip int) func(story) {
		return func(s story) {
			s.cluster.SetFaults(pvesim.Faults{Faults: []pvesim.Fault{{Task: &pvesim.TaskMatch{Type: "qmdestroy"}, Skip: skip, Times: -1, Do: pvesim.Action{Fail: "moon phase"}}}})
		}
	}
	for name, fail := range map[string]func(story){
		"the VM is locked":                 func(s story) { s.asRoot("PUT", "/nodes/pve/qemu/9100/config", "lock", "backup") },
		"the VM cannot be destroyed":       destroys(0),
		"the empty VM cannot be destroyed": destroys(1),
	} {
		t.Run(name, func(t *testing.T) {
			tell(t, 1, withOrphans("vm-9100-disk-0"), func(s story) {
				s.mustUp()
				fail(s)
				err := s.downLeaves()
				s.cluster.SetFaults(pvesim.Faults{})
				if !strings.Contains(err.Error(), "qm destroy 9100") || strings.Contains(err.Error(), "--destroy-unreferenced-disks") {
					s.Errorf("the operator is told: %v", err)
				}
				s.root(err)
				if !s.has("zfs:vm-9100-disk-0") {
					s.Errorf("the disk of somebody else is gone; the operator was told: %v", err)
				}
				s.mustDown()
			})
		})
	}
}

// The task list tells of a VMID on the template's node, where its clone's task was. That does not hide the clone that this run made
// with the same VMID on another node.
func TestATraceDoesNotHideACloneOnAnotherNode(t *testing.T) {
	tell(t, 1, nil, func(s story) {
		p := s.process(0, never)
		book, err := journal.Open(p.Store.JournalPath("lab"))
		if err != nil {
			s.Fatal(err)
		}
		note := func(intent journal.Intent, result journal.Result) {
			number, err := book.Intend(intent)
			if err := errors.Join(err, book.Finished(number, result, nil)); err != nil {
				s.Fatal(err)
			}
		}
		if err := book.Begin(journal.Begin{RunID: inventory.NewRunID(time.Now()), Lab: "lab", Owner: "me@here", Pool: "labctl", Server: "https://pve.invalid:8006", Expires: time.Now().Add(time.Hour)}); err != nil {
			s.Fatal(err)
		}
		if err := book.List(journal.Listed{Node: "pve2", VMID: 9100}); err != nil {
			s.Fatal(err)
		}
		note(journal.Intent{Op: journal.OpClone, VM: "vm0", Node: "pve", VMID: 9100}, journal.ResultFailed)
		if err := book.Close(); err != nil {
			s.Fatal(err)
		}
		s.asRoot("POST", "/nodes/pve/qemu", "vmid", "9100", "name", "lab-vm0") // what a killed clone leaves can be read as little
		err = s.downLeaves()
		if !strings.Contains(err.Error(), "qm destroy 9100") {
			s.Errorf("the operator is told: %v", err)
		}
		s.asRoot("DELETE", "/nodes/pve/qemu/9100")
	})
}
