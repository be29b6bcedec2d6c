package labrun_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"labctl/pkg/lab/change"
	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/labrun"
	"labctl/pkg/pvesim"
)

// Whoever may edit a VM's notes must not choose what is removed on the machine that labctl runs on.
func TestAMarkNamesNoFile(t *testing.T) {
	tell(t, 1, nil, func(s story) {
		victim := filepath.Join(filepath.Dir(s.state), "victim")
		if err := errors.Join(os.MkdirAll(victim, 0o700), os.WriteFile(filepath.Join(victim, "thesis"), nil, 0o600)); err != nil {
			s.Fatal(err)
		}
		mark := inventory.Mark{Lab: "lab", Owner: "me@here", Run: "x/../../../victim", VM: "a", Version: "1", Expires: time.Now().Add(-time.Hour), Pool: "labctl"}
		s.asRoot("POST", "/nodes/pve/qemu", "vmid", "9300", "name", "evil", "pool", "labctl", "description", mark.Description())
		<-time.After(time.Minute)
		if _, err := s.process(0, never).gc(s.Context(), nil); err != nil {
			s.Error(err)
		}
		if _, err := os.Stat(filepath.Join(victim, "thesis")); err != nil {
			s.Error(err)
		}
	})
}

// A copy of a lab's VM has its notes, and with them its mark. It is whoever's copied it.
func TestACopyOfALabsVMIsNotTheLabs(t *testing.T) {
	tell(t, 1, nil, func(s story) {
		s.mustUp()
		s.asRoot("POST", "/nodes/pve/qemu/9100/status/stop")
		s.asRoot("POST", "/nodes/pve/qemu/9100/clone", "newid", "9900", "name", "keepme", "full", "1", "pool", "labctl")
		s.mustDown()
		s.mustCollect(0)
		if _, there := s.cluster.VM(9900); !there {
			s.Error("the copy was destroyed")
		}
		s.asRoot("DELETE", "/nodes/pve/qemu/9900")
	})
}

// late is a guest that is never ready.
type late struct{ after time.Duration }

func (l late) Await(context.Context, change.VM) (map[string]string, error) {
	<-time.After(l.after)
	return nil, errors.New("not ready")
}

// What a failed up takes back is its own run's, and not that of a process with another state directory.
func TestUndoLeavesAnotherRunAlone(t *testing.T) {
	tell(t, 1, nil, func(s story) {
		s.cluster.SetFaults(pvesim.Faults{Faults: []pvesim.Fault{{
			Request: &pvesim.RequestMatch{Method: "POST", Path: "/nodes/*/qemu/*/clone"}, Do: pvesim.Action{Delay: 10 * time.Second},
		}}})
		failing, other := s.process(0, never), s.process(0, never)
		other.Store.Root += "-other"
		var wait sync.WaitGroup
		var otherErr error
		wait.Go(func() { _ = failing.upWith(s.Context(), s.spec, late{2 * time.Minute}) })
		wait.Go(func() {
			<-time.After(3 * time.Second)
			otherErr = other.up(s.Context(), s.spec)
		})
		wait.Wait()
		if otherErr == nil && len(s.leftovers()) == 0 {
			s.Error("one up removed what the other made")
		}
		if _, err := other.down(s.Context(), s.spec); err != nil {
			s.Error(err)
		}
		s.mustDown()
	})
}

// Uploads that were found without state are not forgotten when that down is killed.
func TestFoundUploadsAreJournalled(t *testing.T) {
	tell(t, 1, mayUpload("Datastore.Allocate"), func(s story) {
		s.mustUp()
		s.loseState()
		s.uploadedThen(func() {
			_, _ = s.process(2, beforeSend).down(s.Context(), s.spec) // killed
			s.mustDown()
		})
	})
}

// A gc looks at nothing but marks: what it proved does not hide a killed clone from down.
func TestGCProvesOnlyWhatItRemoved(t *testing.T) {
	tell(t, 2, nil, func(s story) {
		s.cluster.SetFaults(pvesim.Faults{Faults: []pvesim.Fault{{
			Task: &pvesim.TaskMatch{Type: "qmclone"}, Skip: 1, Do: pvesim.Action{Kill: true, Delay: 50 * time.Millisecond},
		}}})
		run, err := s.process(0, never).Open(s.Context(), s.spec)
		if err != nil {
			s.Fatal(err)
		}
		_, upErr := run.Up(s.Context(), labrun.UpOptions{Readiness: ready{}, Keep: true})
		if err := run.Close(); upErr == nil || err != nil {
			s.Fatal(upErr, err)
		}
		s.loseState()
		_, _ = s.process(0, never).gc(s.Context(), nil)
		s.root(s.downLeaves())
		s.mustDown()
	})
}

// A list of tasks that holds everybody's does not make down wait for theirs.
func TestDownAwaitsOnlyItsOwnTasks(t *testing.T) {
	everybodys := func(topology *pvesim.Topology) {
		topology.Timings = pvesim.Realistic()
		topology.Templates[0].DiskMiB = 400 << 10
		topology.Roles = append(topology.Roles, pvesim.RoleSpec{Name: "Sees", Privileges: []string{"Sys.Audit"}})
		for _, who := range []string{"labctl@pve", pvesim.SandboxTokenID} {
			topology.Grants = append(topology.Grants, pvesim.GrantSpec{Path: "/nodes/pve", Who: who, Role: "Sees", Propagate: true})
		}
	}
	tell(t, 1, everybodys, func(s story) {
		s.spec.Lab.VMs[0].OSDisk.Size = 400 << 30
		_ = s.process(1, afterEffect).up(context.WithoutCancel(s.Context()), s.spec) // killed
		var wait sync.WaitGroup
		wait.Go(func() {
			s.asRoot("POST", "/nodes/pve/qemu/9000/clone", "newid", "9900", "name", "keepme", "full", "1")
		})
		<-time.After(2 * time.Second)
		begun := time.Now()
		_, err := s.process(0, never).down(s.Context(), s.spec)
		if took := time.Since(begun); err != nil || took > 2*time.Minute {
			s.Errorf("down took %s: %v", took, err)
		}
		wait.Wait()
		s.asRoot("DELETE", "/nodes/pve/qemu/9900")
	})
}
