package guesthost

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"labctl/pkg/pvesim/owned"
)

func TestRemoveStale(t *testing.T) {
	dir := t.TempDir()
	key := newSigner(t)
	machines, err := New(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	guest := boot(t, machines, testSpec(key))
	if err := owned.RemoveStale(dir); err == nil {
		t.Error("removed what a living sandbox uses")
	}
	// What a killed sandbox leaves: its lock is free, its processes run on.
	orphan := exec.Command("/bin/sh", "-c", "exec cat")
	orphan.Env = guest.machine.environment()
	stdin, err := orphan.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	bystander := exec.Command("cat")
	bystander.Env = append(guest.machine.environment(), "LABCTL_SANDBOX_DIR="+dir+"2")
	hold, err := bystander.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(orphan.Start(), bystander.Start()); err != nil {
		t.Fatal(err)
	}
	guest.machine.server.close()
	guest.machine.server.wait()
	if err := errors.Join(machines.sandbox.Close(), os.WriteFile(filepath.Join(dir, "mine"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := owned.RemoveStale(dir); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := orphan.Wait(); !errors.As(err, &exit) || !strings.Contains(err.Error(), "killed") {
		t.Errorf("orphan: %v", err)
	}
	if err := errors.Join(hold.Close(), bystander.Wait()); err != nil {
		t.Errorf("a process of another sandbox: %v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 { // the lock and mine
		t.Errorf("left: %v, %v", entries, err)
	}
}

func TestRemoveStaleLeavesOtherFoldersAlone(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "vm-1"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := owned.RemoveStale(dir); err != nil {
		t.Error(err)
	}
	if err := owned.RemoveStale(filepath.Join(dir, "missing")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "vm-1")); err != nil {
		t.Error(err)
	}
}
