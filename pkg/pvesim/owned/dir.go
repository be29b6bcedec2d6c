// Package owned is how a sandbox knows what is its own: one locked folder with a subfolder for every guest, and two
// settings in the environment of every process of a guest, LABCTL_SANDBOX_GUEST and LABCTL_SANDBOX_DIR. By these a later
// sandbox finds and ends what one left that was killed, also processes that left their session.
package owned

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"golang.org/x/sys/unix"
)

// lockName is the file that marks a folder as a sandbox's and is locked while
// one uses it. Its lock goes with the process that holds it, however that ends.
const lockName = ".labctl-sandbox.lock"

// guestFolder matches what a sandbox makes in its folder; nothing else is ever removed.
var guestFolder = regexp.MustCompile(`^(vm-[0-9]+|host-[A-Za-z0-9_-][A-Za-z0-9._-]*)$`)

// VMFolder is the name of a VM's folder.
func VMFolder(vmid int) string { return "vm-" + strconv.Itoa(vmid) }

// Dir is the folder of one sandbox, locked.
type Dir struct {
	// Path is absolute and without symbolic links: it is the identity in the environment of processes.
	Path string
	lock *os.File
}

// Open takes the lock of a sandbox's folder, which it makes if need be, or fails when another one has it.
func Open(dir string) (*Dir, error) {
	if dir == "" {
		return nil, errors.New("no folder given")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	path, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return nil, err
	}
	// Go opens files close-on-exec, so guests' processes do not inherit the lock.
	lock, err := os.OpenFile(filepath.Join(path, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%s is used by another sandbox: %w", path, err), lock.Close())
	}
	return &Dir{Path: path, lock: lock}, nil
}

// Clear ends every process of every guest and removes the guests' folders.
func (d *Dir) Clear() error {
	if err := endProcesses(marks{dirMark + "=" + d.Path}); err != nil {
		return err
	}
	entries, err := os.ReadDir(d.Path)
	if err != nil {
		return err
	}
	var errs []error
	for _, entry := range entries {
		if entry.IsDir() && guestFolder.MatchString(entry.Name()) {
			errs = append(errs, os.RemoveAll(filepath.Join(d.Path, entry.Name())))
		}
	}
	return errors.Join(errs...)
}

// Close lets go of the lock. The file stays: removing it would let two
// sandboxes lock two files of the same name.
func (d *Dir) Close() error { return d.lock.Close() }

// Environment marks a process as one of the guest; guest is anything that no other guest has.
func (d *Dir) Environment(guest string) []string {
	return []string{guestMark + "=" + guest, dirMark + "=" + d.Path}
}

// End kills every process of the guest and returns when none is left.
func (d *Dir) End(guest string) error { return endProcesses(d.Environment(guest)) }

// IsFolder says whether a sandbox may make a folder of that name: that of a VM, or that of a node ("host-NAME").
func IsFolder(name string) bool { return guestFolder.MatchString(name) }

// RemoveStale ends every process and removes every guest's folder that a killed sandbox left for dir. It fails when a
// living one uses dir; a dir that is missing, or was never a sandbox's, is left alone.
func RemoveStale(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, lockName)); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	sandbox, err := Open(dir)
	if err != nil {
		return fmt.Errorf("opening sandbox folder: %w", err)
	}
	return errors.Join(sandbox.Clear(), sandbox.Close())
}
