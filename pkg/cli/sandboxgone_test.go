package cli

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"labctl/pkg/internal/ui"
	"labctl/pkg/journal"
)

// A lab whose sandbox is gone is forgotten, but not while another process, such as `up`, works on it.
func TestSandboxGone(t *testing.T) {
	var told bytes.Buffer
	a := &app{IO: ui.IO{Out: &told, Err: &told}, flags: flags{sandbox: sandboxHost, stateDir: t.TempDir()}}
	dir := a.labDir("tiny")
	lock, err := journal.Acquire(dir + ".lock")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, journalFile), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	var busy *journal.BusyError
	if _, err := a.sandboxGone(t.Context(), "tiny"); !errors.As(err, &busy) {
		t.Errorf("under another process's lock: %v", err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Errorf("another process's lab: %v", err)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"the sandbox has ended and lab tiny with it", "lab tiny is not up"} {
		told.Reset()
		if gone, err := a.sandboxGone(t.Context(), "tiny"); !gone || err != nil {
			t.Errorf("gone %v, %v", gone, err)
		}
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the lab's directory: %v", err)
		}
		if !strings.Contains(told.String(), want) {
			t.Errorf("told %q, want %q", told.String(), want)
		}
	}
	lock, err = journal.Acquire(dir + ".lock")
	if err != nil {
		t.Fatalf("the lock is still held: %v", err)
	}
	if err := lock.Release(); err != nil {
		t.Error(err)
	}
}
