package killtest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// stateDisk is a small disk of its own for a state directory, in a mount namespace that ends with the test.
type stateDisk struct {
	pid  string // of a process in the namespace
	path string // as seen in the namespace
}

// mountState puts the home's state directory on a disk of the given size.
func (h *home) mountState(t *testing.T, kib int) *stateDisk {
	t.Helper()
	script := fmt.Sprintf("mount -t tmpfs -o size=%dk,nr_inodes=64 tmpfs %q && echo ready && exec cat", kib, h.state)
	argv := []string{"unshare", "--mount", "--propagation", "private", "sh", "-c", script}
	enter := []string{"nsenter", "--mount"}
	if os.Geteuid() != 0 {
		argv = append([]string{"unshare", "--user", "--map-root-user"}, argv[1:]...)
		enter = append(enter, "--user", "--preserve-credentials")
	}
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var problem bytes.Buffer
	cmd.Stderr = &problem
	if err := cmd.Start(); err != nil {
		t.Skipf("no mount namespaces here: %v", err)
	}
	t.Cleanup(func() {
		_ = input.Close() // ends the namespace's last process
		_ = cmd.Wait()
	})
	if _, err := output.Read(make([]byte, 8)); err != nil {
		t.Skipf("a disk of its own cannot be mounted here: %s", problem.String())
	}
	disk := &stateDisk{pid: fmt.Sprint(cmd.Process.Pid), path: h.state}
	h.wrap = append(enter, "--target", disk.pid, "--")
	return disk
}

// file is how this process reaches a file on the disk.
func (d *stateDisk) file(elements ...string) string {
	return filepath.Join(append([]string{"/proc", d.pid, "root", d.path}, elements...)...)
}

// fill leaves no byte free.
func (d *stateDisk) fill(t *testing.T) {
	t.Helper()
	file, err := os.OpenFile(d.file("ballast"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Error(err)
		return
	}
	defer file.Close()
	for {
		if _, err := file.Write(make([]byte, 4096)); err != nil {
			break // full
		}
	}
}

// free makes room again.
func (d *stateDisk) free(t *testing.T) {
	t.Helper()
	if err := os.Remove(d.file("ballast")); err != nil {
		t.Error(err)
	}
}

// remount makes the disk read-only, or writable again.
func (h *home) remount(t *testing.T, mode string) {
	t.Helper()
	argv := append(append([]string{}, h.wrap...), "mount", "-o", "remount,"+mode, h.state)
	if output, err := exec.CommandContext(t.Context(), argv[0], argv[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("remounting: %v: %s", err, output)
	}
}

// TestFullDisk fills the state's disk before up, and in the middle of it.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	full := syscall.ENOSPC.Error()
	t.Run("from the start", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, sharedHost(9))
		was := w.belongings(t)
		h := w.newHome(t, "home", killLab)
		disk := h.mountState(t, 256)
		disk.fill(t)
		h.must(t, 1, []string{"up"}, full, h.state)
		if w.requested("POST") {
			t.Error("something was changed without a journal")
		}
		disk.free(t)
		h.must(t, 0, []string{"up"}, "lab kill is up")
		disk.fill(t)
		h.must(t, 5, []string{"down"}, full, "as root on pve")
		disk.free(t)
		h.must(t, 0, []string{"down"}, "lab kill is down")
		w.wantAsBefore(t, was, nil)
	})
	for _, n := range some([]int{5, 1, 9}) {
		t.Run(fmt.Sprintf("at change %d", n), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sharedHost(8))
			was := w.belongings(t)
			h := w.newHome(t, "home", killLab)
			disk := h.mountState(t, 256)
			up := h.at(t, n, func(*process) { disk.fill(t) }, "up")
			up.want(t, 5, full, "as root on pve") // VMs are left: without a journal nothing is undone either
			h.must(t, 5, []string{"down"}, full, "free space", "run `labctl --state-dir "+h.state+" down "+h.lab+"` again")
			disk.free(t)
			h.must(t, 0, []string{"down"}, "no volume of theirs is left")
			w.wantAsBefore(t, was, nil)
		})
	}
}

// TestFullDiskInDown fills the state's disk in the middle of down. Which change is the first that the journal has no room for is
// chance, since a disk is filled by pages.
func TestFullDiskInDown(t *testing.T) {
	t.Parallel()
	for _, n := range some([]int{6, 3, 11}) {
		t.Run(fmt.Sprintf("at change %d", n), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sharedHost(9))
			was := w.belongings(t)
			h := w.newHome(t, "home", killLab)
			disk := h.mountState(t, 256)
			h.must(t, 0, []string{"up"})
			down := h.at(t, n, func(*process) { disk.fill(t) }, "down")
			code, text := down.wait(t), down.text()
			switch full := strings.Contains(text, syscall.ENOSPC.Error()); {
			case code == 0 && !full: // the last page had room for everything
			case code == 5 && full && strings.Contains(text, "run `labctl --state-dir "+h.state+" down "+h.lab+"` again"):
			case code == 1 && full: // nothing is left but the journal's last words
			default:
				t.Errorf("exit code %d:\n%s", code, text)
			}
			disk.free(t)
			h.must(t, 0, []string{"down"})
			w.wantAsBefore(t, was, down)
			h.must(t, 0, []string{"down"}, "lab kill is not up: nothing to remove")
		})
	}
}

// TestReadOnlyState makes the state's disk read-only, before up and after it. Down needs no state: it works with another
// directory.
func TestReadOnlyState(t *testing.T) {
	t.Parallel()
	readOnly := syscall.EROFS.Error()
	w := newWorld(t, sharedHost(9))
	was := w.belongings(t)
	h := w.newHome(t, "home", killLab)
	h.mountState(t, 256)
	h.remount(t, "ro")
	h.must(t, 1, []string{"up"}, readOnly, h.state, "--state-dir")
	if w.requested("POST") {
		t.Error("something was changed without a journal")
	}
	h.remount(t, "rw")
	h.must(t, 0, []string{"up"}, "lab kill is up")
	h.remount(t, "ro")
	h.must(t, 0, []string{"status"}, "lab kill is up")
	h.must(t, 5, []string{"down"}, readOnly, h.state, "--state-dir", "may still be there")
	elsewhere := w.newHome(t, "elsewhere", killLab)
	elsewhere.must(t, 5, []string{"down"}, "up from another state directory", "--all-runs")
	elsewhere.must(t, 0, []string{"down", "--all-runs"}, "3 VMs removed")
	w.wantAsBefore(t, was, nil)
	h.remount(t, "rw")
	h.must(t, 0, []string{"down"}, "its VMs were gone, and no volume of theirs is left")
}
