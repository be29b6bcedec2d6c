package cli

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"labctl/pkg/internal/ui"
	"labctl/pkg/lab/journal"
	"labctl/pkg/sandbox"
)

// A lab whose sandbox is gone is forgotten, but not while another process, such as `up`, works on it.
func TestSandboxGone(t *testing.T) {
	var told bytes.Buffer
	a := &app{IO: ui.IO{Out: &told, Err: &told}, flags: flags{sandbox: sandboxHost, stateDir: t.TempDir()}}
	dir := a.labStore().Dir("tiny")
	lock, err := journal.Acquire(dir + ".lock")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(a.labStore().JournalPath("tiny"), nil, 0o600)); err != nil {
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

// The sandbox is left alone when another lab shows up while this one waits for its turn to stop it.
func TestStopIfUnused(t *testing.T) {
	a := &app{flags: flags{sandbox: sandboxHost, stateDir: t.TempDir()}}
	used := &server{sandbox: &sandbox.Info{}}
	key, other := filepath.Join(a.sandboxDir(), "host_ed25519"), a.labStore().Dir("other")
	stopped := make(chan error)
	err := sandbox.Exclusive(t.Context(), a.sandboxDir(), func() error {
		go func() { stopped <- a.stopIfUnused(t.Context(), used) }()
		return errors.Join(os.MkdirAll(other, 0o700), os.WriteFile(a.labStore().JournalPath("other"), nil, 0o600),
			os.WriteFile(filepath.Join(a.sandboxDir(), "lock"), nil, 0o600), os.WriteFile(key, nil, 0o600))
	})
	if err := errors.Join(err, <-stopped); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(key); err != nil {
		t.Errorf("the sandbox of another lab: %v", err)
	}
	if err := errors.Join(os.RemoveAll(other), a.stopIfUnused(t.Context(), used)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(key); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the unused sandbox: %v", err)
	}
}
