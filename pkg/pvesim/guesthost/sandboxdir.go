package guesthost

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

func vmFolder(vmid int) string { return "vm-" + strconv.Itoa(vmid) }

// sandboxDir is the folder of one sandbox, locked.
type sandboxDir struct {
	path string // absolute and without symbolic links: the identity in processes' environments
	lock *os.File
}

func openSandboxDir(dir string) (*sandboxDir, error) {
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
	return &sandboxDir{path: path, lock: lock}, nil
}

// clear ends every process of every guest and removes the guests' folders.
func (d *sandboxDir) clear() error {
	if err := endProcesses(marks{dirMark + "=" + d.path}); err != nil {
		return err
	}
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return err
	}
	var errs []error
	for _, entry := range entries {
		if entry.IsDir() && guestFolder.MatchString(entry.Name()) {
			errs = append(errs, os.RemoveAll(filepath.Join(d.path, entry.Name())))
		}
	}
	return errors.Join(errs...)
}

// close lets go of the lock. The file stays: removing it would let two
// sandboxes lock two files of the same name.
func (d *sandboxDir) close() error { return d.lock.Close() }
