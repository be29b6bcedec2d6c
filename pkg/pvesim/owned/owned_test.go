package owned

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// start runs a process that ends when its input does, with the environment.
func start(t *testing.T, environment []string) *exec.Cmd {
	t.Helper()
	process := exec.Command("cat")
	process.Env = environment
	stdin, err := process.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stdin.Close(); _ = process.Wait() })
	return process
}

func killed(process *exec.Cmd) bool {
	err := process.Wait()
	return err != nil && strings.Contains(err.Error(), "killed")
}

// End ends the processes of one guest, Clear those of all guests of this folder, and nobody else's.
func TestEnd(t *testing.T) {
	mine, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	other, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	one, two, foreign := start(t, mine.Environment("one")), start(t, mine.Environment("two")), start(t, other.Environment("one"))
	if err := mine.End("one"); err != nil {
		t.Fatal(err)
	}
	if !killed(one) {
		t.Error("the guest's process was not killed")
	}
	for _, name := range []string{"vm-101", "host-pve", "notes"} {
		if err := os.Mkdir(filepath.Join(mine.Path, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := mine.Clear(); err != nil {
		t.Fatal(err)
	}
	if !killed(two) {
		t.Error("the other guest's process was not killed")
	}
	if foreign.Process.Signal(syscall.Signal(0)) != nil {
		t.Error("another sandbox's process was ended")
	}
	if entries, err := os.ReadDir(mine.Path); err != nil || len(entries) != 2 { // the lock, and what is not a guest's
		t.Errorf("left: %v, %v", entries, err)
	}
	if err := errors.Join(mine.Close(), other.Close()); err != nil {
		t.Error(err)
	}
}

func TestRemoveStale(t *testing.T) {
	dir := t.TempDir()
	if err := RemoveStale(dir); err != nil {
		t.Errorf("a folder that was never a sandbox's: %v", err)
	}
	living, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := RemoveStale(dir); err == nil {
		t.Error("removed what a living sandbox uses")
	}
	orphan := start(t, living.Environment("one"))
	if err := errors.Join(os.Mkdir(filepath.Join(dir, VMFolder(7)), 0o700), living.Close(), RemoveStale(dir)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, VMFolder(7))); !killed(orphan) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something of a killed sandbox is left: %v", err)
	}
}
