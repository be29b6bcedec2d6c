package labrun_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"labctl/pkg/journal"
	"labctl/pkg/labrun"
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
			err := s.downLeaves()
			if !strings.Contains(err.Error(), "qm destroy 9100") {
				s.Errorf("the operator is told: %v", err)
			}
			s.root(err)
			s.mustDown()
			if removed := s.mustDown(); !removed.Nothing() {
				s.Errorf("the second down had something to do: %+v", removed)
			}
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
		for writes := range 6 {
			p := s.process(0, never)
			p.OpenJournal = func(path string) (*journal.Journal, error) {
				return journal.OpenThrough(path, func(file journal.File) journal.File { return &shortDisk{file, writes} })
			}
			if err := p.Repair(s.spec); err == nil {
				break
			} else if writes == 5 {
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
