// Package filelock has the locks that labctl's processes hold against each other. The kernel takes a lock back when its
// process dies, however it dies.
package filelock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/cenkalti/backoff/v4"
	"golang.org/x/sys/unix"
)

// ErrHeld says that somebody else holds the lock.
var ErrHeld = errors.New("the lock is held")

// Lock is an exclusive lock on a file, until it is released or the process ends.
type Lock struct{ file *os.File }

// Release gives the lock back.
func (l *Lock) Release() error { return l.file.Close() }

// Note writes who holds the lock into its file, for HeldError. A disk that is full loses the note, not the lock.
func (l *Lock) Note(text string) {
	if err := l.file.Truncate(0); err == nil {
		_, _ = l.file.WriteAt([]byte(text), 0)
	}
}

// HeldError says that somebody else holds the lock, with what he noted in its file. It is ErrHeld.
type HeldError struct{ Path, Note string }

// Error names the file.
func (e *HeldError) Error() string { return fmt.Sprintf("lock %s is held", e.Path) }

// Is makes every HeldError ErrHeld.
func (e *HeldError) Is(target error) bool { return target == ErrHeld }

// maxNote bounds what is read of a note, in bytes.
const maxNote = 128

// Try takes the lock at path, or fails at once with a *HeldError.
func Try(path string) (*Lock, error) {
	file, err := open(path)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		note := make([]byte, maxNote)
		n, _ := file.ReadAt(note, 0) // nobody has to have left one
		return nil, errors.Join(&HeldError{Path: path, Note: string(note[:n])}, file.Close())
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &Lock{file}, nil
}

func open(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
}

// askTime is how long Acquire tries for a lock that is held: somebody may only be asking with Held.
const askTime = 200 * time.Millisecond

// Acquire is Try for a lock that others ask for with Held.
func Acquire(path string) (*Lock, error) {
	policy := backoff.NewExponentialBackOff(backoff.WithInitialInterval(5*time.Millisecond), backoff.WithMaxElapsedTime(askTime))
	return backoff.RetryWithData(func() (*Lock, error) {
		lock, err := Try(path)
		if err != nil && !errors.Is(err, ErrHeld) {
			return nil, backoff.Permanent(err)
		}
		return lock, err
	}, policy)
}

// Held says whether a process holds the lock at path. It asks by a shared lock for a moment.
func Held(path string) (bool, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return true, file.Close()
	}
	return false, errors.Join(err, file.Close())
}

// await takes the lock of an open file and sleeps in the kernel while others hold it. Without the lock the file is closed: when ctx
// ends first, as soon as the kernel has given it.
func await(ctx context.Context, file *os.File) error {
	err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		return nil
	}
	if !errors.Is(err, unix.EWOULDBLOCK) {
		return errors.Join(err, file.Close())
	}
	locked := make(chan error, 1)
	go func() { locked <- sleepUntilLocked(file) }()
	select {
	case err := <-locked:
		if err != nil {
			return errors.Join(err, file.Close())
		}
		return nil
	case <-ctx.Done():
		go func() {
			<-locked
			_ = file.Close()
		}()
		return context.Cause(ctx)
	}
}

func sleepUntilLocked(file *os.File) error {
	for {
		if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
