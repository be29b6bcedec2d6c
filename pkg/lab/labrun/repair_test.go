package labrun_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"labctl/pkg/lab/journal"
	"labctl/pkg/lab/labrun"
	"labctl/pkg/pvesim"
)

// damage makes every line of the lab's journal unreadable that has one of the texts.
func (s story) damage(texts ...string) {
	s.Helper()
	path := labrun.Store{Root: s.state}.JournalPath("lab")
	text, err := os.ReadFile(path)
	if err != nil {
		s.Fatal(err)
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	lost := 0
	for i, line := range lines {
		if slices.ContainsFunc(texts, func(text string) bool { return bytes.Contains(line, []byte(text)) }) {
			lines[i] = []byte("\x00" + string(line[1:]))
			lost++
		}
	}
	if lost == 0 {
		s.Fatalf("no line has %v:\n%s", texts, text)
	}
	if err := os.WriteFile(path, bytes.Join(lines, nil), 0o600); err != nil {
		s.Fatal(err)
	}
}

// When every line is lost that has a VMID, the server's task list still tells it, as when the whole state is lost. Also to
// the down after one that was killed.
func TestDownFindsWhatADamagedJournalLost(t *testing.T) {
	for _, killed := range []bool{false, true} {
		tell(t, 1, behind(0), func(s story) {
			s.killsClones()
			if err := s.process(0, never).up(s.Context(), s.spec); len(leftoversIn(err)) == 0 {
				s.Fatalf("up did not say what is left: %v", err)
			}
			s.damage(`"vmid":9100`)
			if killed {
				p := s.process(0, never)
				p.kill.dead.Store(true) // it repairs the journal, and does not reach the server any more
				p.OpenJournal = nil
				_, _ = p.down(s.Context(), s.spec)
			}
			s.rootDestroys("9100")
		})
	}
}

func TestDownFindsTheUploadThatADamagedJournalLost(t *testing.T) {
	tell(t, 1, mayUpload("Datastore.Allocate"), func(s story) {
		s.mustUp()
		s.damage(`"op":"start"`)
		s.uploadedThen(func() {
			if removed := s.mustDown(); removed.Uploads != 1 || removed.VMs != 1 {
				s.Errorf("removed %+v", removed)
			}
		})
	})
}

// A repaired journal knows a VM's disks and that a clone failed, and takes no volume for somebody else's since it was there
// before the only clone: how many there were is lost.
func TestRepairKeepsWhatJudgesVolumes(t *testing.T) {
	tell(t, 1, nil, func(s story) {
		s.cluster.SetFaults(pvesim.Faults{Faults: []pvesim.Fault{{Task: &pvesim.TaskMatch{Type: "qmclone"}, Do: pvesim.Action{Fail: "moon phase"}}}})
		run, err := s.process(0, never).Open(s.Context(), s.spec)
		if err != nil {
			s.Fatal(err)
		}
		_, upErr := run.Up(s.Context(), labrun.UpOptions{Readiness: ready{}, Keep: true})
		disks := []string{"zfs:vm-9100-disk-3"}
		intent, err := run.Journal.Intend(journal.Intent{Op: journal.OpDestroy, VM: "vm0", Node: "pve", VMID: 9100, Disks: disks})
		if err := errors.Join(err, run.Journal.Finished(intent, journal.ResultFailed, nil), run.Journal.Learn("x", nil), run.Close()); err != nil || upErr == nil {
			s.Fatal(err, upErr)
		}
		s.damage(`"target":"x"`)
		p := s.process(0, never)
		if err := p.Repair(s.spec); err != nil {
			s.Fatal(err)
		}
		state, err := p.Store.State("lab")
		if err != nil {
			s.Fatal(err)
		}
		known := state.Known(9100)
		if !slices.Equal(known.Disks, disks) || !known.Lossy || !slices.Contains(known.Failed, journal.OpClone) || !state.Damaged() {
			s.Errorf("known: %+v", known)
		}
		s.mustDown()
	})
}

// A repair that is cut short leaves the damaged journal as it was, and the next one is not confused by what it left.
func TestRepairIsAllOrNothing(t *testing.T) {
	tell(t, 1, nil, func(s story) {
		s.mustUp()
		s.damage(`"op":"start"`)
		path := labrun.Store{Root: s.state}.JournalPath("lab")
		before, err := os.ReadFile(path)
		if err != nil {
			s.Fatal(err)
		}
		for writes := range 20 {
			p := s.process(0, never)
			p.OpenJournal = func(path string) (*journal.Journal, error) {
				return journal.OpenThrough(path, func(file journal.File) journal.File { return &shortDisk{file, writes} })
			}
			if err := p.Repair(s.spec); err == nil {
				break
			} else if writes == 19 {
				s.Errorf("never enough: %v", err)
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
				s.Fatalf("after %d writes the journal is another one (%v):\n%s", writes, err, after)
			}
			if kept, err := filepath.Glob(path + ".damaged-*"); err != nil || len(kept) == 0 {
				s.Errorf("nothing is kept: %v", err)
			}
		}
		s.mustDown()
	})
}

// shortDisk takes so many writes.
type shortDisk struct {
	journal.File
	left int
}

func (d *shortDisk) Write(line []byte) (int, error) {
	if d.left--; d.left < 0 {
		return 0, errKilled
	}
	return d.File.Write(line)
}
