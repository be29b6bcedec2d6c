package labrun_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/labrun"
	"labctl/pkg/pve"
	"labctl/pkg/pvesim"
)

// standings finds what there is, by lab.
func (s story) standings(p *process) map[string]labrun.Standing {
	s.Helper()
	found, err := p.Find(s.Context(), p.server)
	if err != nil {
		s.Fatal(err)
	}
	all := map[string]labrun.Standing{}
	for _, f := range found {
		all[f.Lab] = f.Standing
	}
	return all
}

func (s story) stands(p *process, want labrun.Standing) {
	s.Helper()
	if got := s.standings(p)[s.spec.Lab.Name]; got != want {
		s.Errorf("the lab is %q to gc, want %q", got, want)
	}
}

// mustCollect runs gc, which removes so many lab runs.
func (s story) mustCollect(want int) {
	s.Helper()
	p := s.process(0, never)
	found, err := p.gc(s.Context(), map[string]labrun.Spec{s.spec.Lab.Name: s.spec})
	if err != nil {
		s.Fatal(err)
	}
	garbage := 0
	for _, f := range found {
		if f.Garbage() {
			garbage++
		}
	}
	if garbage != want {
		s.Errorf("gc removed %d lab runs, want %d: %+v", garbage, want, found)
	}
}

func TestGCLeavesWhatIsInUse(t *testing.T) {
	tell(t, 1, nil, func(s story) {
		s.mustUp()
		s.stands(s.process(0, never), labrun.StandingUp)
		run, err := s.process(0, never).Open(s.Context(), s.spec)
		if err != nil {
			s.Fatal(err)
		}
		<-time.After(2 * inventory.Lifetime)
		s.stands(s.process(0, never), labrun.StandingBusy) // expired, but another process works on it
		if err := run.Close(); err != nil {
			s.Fatal(err)
		}
		stranger := s.process(0, never)
		stranger.Owner = "you@there"
		s.stands(stranger, labrun.StandingForeign)
		s.stands(s.process(0, never), labrun.StandingExpired)
		s.mustCollect(1)
		if left := s.leftovers(); len(left) > 0 {
			s.Errorf("left behind: %v", left)
		}
		s.mustCollect(0)
	})
}

// A lab of another state directory of the same owner is not forgotten before its time.
func TestGCKnowsOtherStateDirectories(t *testing.T) {
	tell(t, 2, nil, func(s story) {
		s.mustUp()
		other := s.process(0, never)
		other.Store.Root += "-other"
		s.stands(other, labrun.StandingElsewhere)
		<-time.After(inventory.Lifetime)
		s.stands(other, labrun.StandingExpired)
		found, err := other.gc(s.Context(), nil)
		if err != nil || len(found) != 1 {
			s.Fatalf("found %+v, %v", found, err)
		}
		if left := s.leftovers(); len(left) > 0 {
			s.Errorf("left behind: %v", left)
		}
		s.mustDown() // the lab's own directory still knows the VMIDs and proves them
	})
}

// A gc that is killed at any change is finished by the next.
func TestGCIsFinishedByTheNext(t *testing.T) {
	tell(t, 2, nil, func(s story) {
		points := 0
		for _, when := range []moment{beforeSend, afterEffect, afterAnswer} {
			for at := 1; ; at++ {
				s.mustUp()
				s.loseState()
				victim := s.process(at, when)
				_, _ = victim.gc(s.Context(), nil)
				if !victim.kill.dead.Load() {
					break
				}
				points++
				if _, err := s.process(0, never).gc(s.Context(), nil); err != nil {
					s.Fatalf("killed %s at change %d: %v", when, at, err)
				}
				if left := s.leftovers(); len(left) > 0 {
					s.Fatalf("killed %s at change %d: left behind: %v", when, at, left)
				}
			}
		}
		s.Logf("%d kill points", points)
		if points < 20 {
			s.Errorf("only %d kill points", points)
		}
	})
}

// A damaged journal of a removal is named, and the others are finished all the same.
func TestGCNamesADamagedJournal(t *testing.T) {
	tell(t, 1, nil, func(s story) {
		s.mustUp()
		s.loseState()
		p := s.process(0, never)
		broken := filepath.Join(p.Store.Root, "gc", "other-20300101T000000Z-0000", "journal.jsonl")
		if err := errors.Join(os.MkdirAll(filepath.Dir(broken), 0o700), os.WriteFile(broken, []byte("garbage\n"), 0o600)); err != nil {
			s.Fatal(err)
		}
		found, err := p.gc(s.Context(), nil)
		var missed *labrun.IncompleteError
		if !errors.As(err, &missed) || !strings.Contains(err.Error(), broken) || len(found) != 1 {
			s.Errorf("found %+v, error %v", found, err)
		}
		if left := s.leftovers(); len(left) > 0 {
			s.Errorf("left behind: %v", left)
		}
	})
}

func TestUpRefusesVMsWhoseStateIsLost(t *testing.T) {
	tell(t, 1, nil, func(s story) {
		s.mustUp()
		s.loseState()
		err := s.process(0, never).up(s.Context(), s.spec)
		if err == nil || !strings.Contains(err.Error(), "run `labctl down` first") {
			s.Errorf("error %v", err)
		}
		s.mustDown()
	})
}

// mayUpload lets the token upload to the storage "local", and with Datastore.Allocate remove again.
func mayUpload(privileges ...string) func(*pvesim.Topology) {
	return func(topology *pvesim.Topology) {
		topology.Grants = slices.DeleteFunc(topology.Grants, func(g pvesim.GrantSpec) bool { return g.Path == "/storage/local" })
		topology.Roles = append(topology.Roles, pvesim.RoleSpec{Name: "Uploads", Privileges: append(privileges, "Datastore.AllocateTemplate", "Datastore.Audit")})
		for _, who := range []string{"labctl@pve", pvesim.SandboxTokenID} {
			topology.Grants = append(topology.Grants, pvesim.GrantSpec{Path: "/storage/local", Who: who, Role: "Uploads", Propagate: true})
		}
	}
}

// uploaded puts a file of ours, and one of somebody else, on a storage.
func (s story) uploaded() {
	s.Helper()
	ours := inventory.UploadName{Lab: "lab", Run: inventory.NewRunID(time.Now()), For: "vm0", Owner: "me@here", State: labrun.Store{Root: s.state}.ID(), Ext: "iso"}
	for _, name := range []string{ours.FileName(), "ubuntu-22.04.iso"} {
		client := s.process(0, never).client
		task, err := client.Upload(s.Context(), "pve", "local", pve.File{Name: name, Content: "iso", SizeBytes: 1, Body: bytes.NewReader([]byte("x"))})
		if err == nil {
			_, err = client.Wait(s.Context(), task, nil)
		}
		if err != nil {
			s.Fatal(err)
		}
	}
}

func (s story) foreignISOIsThere() {
	s.Helper()
	for _, volume := range s.cluster.Volumes() {
		if volume.ID == "local:iso/ubuntu-22.04.iso" {
			return
		}
	}
	s.Error("somebody else's ISO image is gone")
}

func TestDownRemovesUploadsWithoutState(t *testing.T) {
	tell(t, 1, mayUpload("Datastore.Allocate"), func(s story) {
		s.mustUp()
		s.loseState()
		s.uploadedThen(func() {
			if removed := s.mustDown(); removed.Uploads != 1 || removed.VMs != 1 {
				s.Errorf("removed %+v", removed)
			}
		})
	})
}

func TestGCRemovesUploads(t *testing.T) {
	tell(t, 1, mayUpload("Datastore.Allocate"), func(s story) {
		s.uploadedThen(func() {
			<-time.After(inventory.Lifetime + time.Second)
			s.mustCollect(1)
		})
	})
}

func TestUploadsThatMayNotBeRemovedAreReported(t *testing.T) {
	tell(t, 1, mayUpload(), func(s story) {
		s.uploadedThen(func() {
			err := s.downLeaves()
			if !strings.Contains(err.Error(), "pvesm free local:iso/labctl-lab-") {
				s.Errorf("the operator is told: %v", err)
			}
			s.root(err)
			s.mustDown()
		})
	})
}

// uploadedThen does something about an upload of ours, after which only that of somebody else is there.
func (s story) uploadedThen(do func()) {
	s.Helper()
	s.uploaded()
	do()
	if left := s.leftovers(); len(left) > 0 {
		s.Errorf("left behind: %v", left)
	}
	s.foreignISOIsThere()
	s.asRoot("DELETE", "/nodes/pve/storage/local/content/local:iso%2Fubuntu-22.04.iso")
}
