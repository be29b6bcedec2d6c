package labrun

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"labctl/pkg/lab/journal"
)

// The files in a lab's state directory.
const (
	journalFile = "journal.jsonl"
	keyFile     = "id_ed25519"
	specFile    = "lab.yaml"
)

// Store is where the state of labs is kept: a directory for each lab that is up, and the journals of those that were.
type Store struct {
	Root string
	// Machine tells machines apart that have a directory of the same path; see ThisMachine. "" counts as a machine too.
	Machine string
}

// ThisMachine names this machine or container: its host name and machine-id(5). Containers of one image share the
// machine-id, and runners of one machine the host name.
func ThisMachine() string {
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	id, err := os.ReadFile("/etc/machine-id")
	if err != nil {
		id = nil
	}
	return host + "/" + strings.TrimSpace(string(id))
}

// Dir is the state directory of a lab.
func (s Store) Dir(lab string) string { return filepath.Join(s.Root, "labs", lab) }

// JournalPath is the journal of a lab.
func (s Store) JournalPath(lab string) string { return filepath.Join(s.Dir(lab), journalFile) }

// State replays the journal of a lab, which may not be there. It takes no lock.
func (s Store) State(lab string) (*journal.State, error) { return journal.Read(s.JournalPath(lab)) }

// Labs lists the labs that are up, or were when labctl last looked.
func (s Store) Labs() ([]string, error) { return s.journals("labs") }

// journals lists the directories of one kind that have a journal.
func (s Store) journals(kind string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(s.Root, kind))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing labs: %w", err)
	}
	var names []string
	for _, entry := range entries {
		if _, err := os.Stat(filepath.Join(s.Root, kind, entry.Name(), journalFile)); err == nil {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}

// Lock takes the exclusive right to change a lab, or fails at once with a *journal.BusyError. The lock lives beside the
// lab's directory, since that is removed while the lock is held.
func (s Store) Lock(lab string) (*journal.Lock, error) { return journal.Acquire(s.Dir(lab) + ".lock") }

// past is where the journals of ended lab runs are kept.
func (s Store) past() string { return filepath.Join(s.Root, "past") }

// archive keeps the journal of an ended lab run and removes the rest of its state.
func (s Store) archive(dir, lab, runID string) error {
	err := os.MkdirAll(s.past(), 0o700)
	if err == nil {
		err = os.Rename(filepath.Join(dir, journalFile), filepath.Join(s.past(), lab+"-"+runID+".jsonl"))
	}
	if err != nil {
		return fmt.Errorf("everything of lab %s is removed, with proof, but its journal cannot be put away: %w (make %s a directory that can be written, and run `labctl down` again)", lab, err, s.past())
	}
	return removeState(dir)
}

func removeState(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("removing the lab's state: %w", err)
	}
	return nil
}

// ID tells state directories apart in owner marks. It depends on the machine and the path, so that it outlives the
// directory: a lab whose state is lost can be told from one that is measured from elsewhere.
func (s Store) ID() string {
	if s.Machine == "" {
		return hashed(s.Root)
	}
	return hashed(s.Machine + "\n" + s.Root)
}

// IDs are the names of this state directory in marks: ID, and that of labctl before it went by the machine.
func (s Store) IDs() []string { return []string{s.ID(), hashed(s.Root)} }

func hashed(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:4])
}
