package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"
	"golang.org/x/sys/unix"
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
type Lock struct{ file *os.File }

// askTime is how long a lock is tried for that is held: somebody may only be asking with Held.
const askTime = 200 * time.Millisecond

// Acquire takes the lock at path or says who holds it. The kernel drops it when the process dies. A full disk does
// not keep it from being taken: only the number that BusyError shows is missing then.
func Acquire(path string) (*Lock, error) {
	policy := backoff.NewExponentialBackOff(backoff.WithInitialInterval(5*time.Millisecond), backoff.WithMaxElapsedTime(askTime))
	return backoff.RetryWithData(func() (*Lock, error) {
		lock, err := Try(path)
		if busy := (*BusyError)(nil); err != nil && !errors.As(err, &busy) {
			return nil, backoff.Permanent(err)
		}
		return lock, err
	}, policy)
}

// Try is Acquire at once, for a lock that nobody asks for with Held.
func Try(path string) (*Lock, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, lockError(err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, lockError(err)
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, errors.Join(&BusyError{Path: path, PID: holder(file)}, file.Close())
	}
	if err != nil {
		return nil, errors.Join(lockError(err), file.Close())
	}
	if err := file.Truncate(0); err == nil {
		_, _ = file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return &Lock{file: file}, nil
}

// lockError says what to do about a state directory that cannot be written.
func lockError(err error) error {
	remedy := "make the state directory writable"
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		remedy = "free space on the state directory's disk"
	}
	return fmt.Errorf("taking a lock: %w (%s, or give another one with --state-dir: `down` finds a lab without its state)", err, remedy)
}

// Held says whether a process holds the lock at path. It asks by a shared lock for a moment.
func Held(path string) (bool, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("asking for a lab's lock: %w", err)
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return true, file.Close()
	}
	return false, errors.Join(err, file.Close())
}

// Release gives the lock back.
func (l *Lock) Release() error { return l.file.Close() }

func holder(file *os.File) int {
	buffer := make([]byte, 32)
	n, err := file.ReadAt(buffer, 0)
	if n == 0 && err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(buffer[:n])))
	if err != nil {
		return 0
	}
	return pid
}
