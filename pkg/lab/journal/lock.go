package journal

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"labctl/pkg/internal/filelock"
)

// BusyError says that another labctl process works on the same lab.
type BusyError struct {
	Path string
	PID  int // 0 when the other process did not leave its number
}

// Error names the other process.
func (e *BusyError) Error() string {
	other := "another labctl"
	if e.PID != 0 {
		other = fmt.Sprintf("another labctl (process %d)", e.PID)
	}
	return fmt.Sprintf("%s is working on this lab: wait for it or stop it with Ctrl-C (lock %s)", other, e.Path)
}

// Lock is the exclusive right to change one lab.
type Lock = filelock.Lock

// Acquire takes the lock at path or says who holds it. A full disk does not keep it from being taken: only the number that
// BusyError shows is missing then.
func Acquire(path string) (*Lock, error) {
	lock, err := filelock.Acquire(path)
	var held *filelock.HeldError
	switch {
	case errors.As(err, &held):
		pid, _ := strconv.Atoi(strings.TrimSpace(held.Note)) // 0 when there is none
		return nil, &BusyError{Path: path, PID: pid}
	case err != nil:
		return nil, lockError(err)
	}
	lock.Note(strconv.Itoa(os.Getpid()) + "\n")
	return lock, nil
}

// lockError says what to do about a state directory that cannot be written.
func lockError(err error) error {
	remedy := "make the state directory writable"
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		remedy = "free space on the state directory's disk"
	}
	return fmt.Errorf("taking a lock: %w (%s, or give another one with --state-dir: `down` finds a lab without its state)", err, remedy)
}

// Held says whether a process holds the lock at path.
func Held(path string) (bool, error) {
	held, err := filelock.Held(path)
	if err != nil {
		return false, fmt.Errorf("asking for a lab's lock: %w", err)
	}
	return held, nil
}
