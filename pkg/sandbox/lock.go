package sandbox

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

// A sandbox holds the lock of its directory exclusively while it lives; the kernel drops it however the process ends. Who
// only asks whether a sandbox runs takes it shared, so that nobody who asks looks like a sandbox to others who ask.
func lockPath(dir string) string { return filepath.Join(dir, "lock") }

// lockTime bounds waiting for the lock of a directory in which no sandbox runs: who asks holds it for microseconds, a
// sandbox that is ending until its guests have ended.
const lockTime = 10 * time.Second

// errRunning says that a sandbox runs for the directory.
var errRunning = errors.New("a sandbox is running")

// takeLock takes the lock that the sandbox of the directory holds while it lives, or fails with errRunning.
func takeLock(ctx context.Context, dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the sandbox's directory: %w", err)
	}
	lock, err := awaitLock(ctx, lockPath(dir), lockTime, func() error {
		if _, notRunning := readInfo(dir); notRunning == nil {
			return errRunning
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("locking the sandbox: %w", err)
	}
	return lock, nil
}

// isLocked says whether somebody, mostly a sandbox, holds the lock of the directory.
func isLocked(dir string) (bool, error) {
	lock, err := tryLock(lockPath(dir), 0, unix.LOCK_SH)
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		return true, nil
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("looking for a sandbox: %w", err)
	}
	return false, lock.Close()
}

// Exclusive calls f while no other process is in a call of Exclusive for the same directory. Who looks whether a sandbox
// runs in order to start it, and who looks whether it is in use in order to stop it, does so here.
func Exclusive(ctx context.Context, dir string, f func() error) (err error) {
	path := filepath.Clean(dir) + ".starter" // beside the directory, as the right to make it
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("making the directory of the sandbox: %w", err)
	}
	lock, err := awaitLock(ctx, path, 0, func() error { return nil })
	if err != nil {
		return fmt.Errorf("waiting for another labctl that starts or stops the sandbox (lock %s): %w", path, err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	return f()
}

// awaitLock takes a lock exclusively. It waits while others hold it: until ctx ends, the limit (0: none) has passed, or
// giveUp returns a reason.
func awaitLock(ctx context.Context, path string, limit time.Duration, giveUp func() error) (*os.File, error) {
	policy := backoff.NewExponentialBackOff(backoff.WithInitialInterval(2*time.Millisecond),
		backoff.WithMaxInterval(100*time.Millisecond), backoff.WithMaxElapsedTime(limit))
	lock, err := backoff.RetryWithData(func() (*os.File, error) {
		lock, err := tryLock(path, os.O_CREATE, unix.LOCK_EX)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return lock, backoff.Permanent(err)
		}
		if reason := giveUp(); reason != nil {
			return nil, backoff.Permanent(reason)
		}
		return nil, err
	}, backoff.WithContext(policy, ctx))
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return lock, err
}

// tryLock opens a file and locks it; unix.EWOULDBLOCK says that somebody else holds the lock.
func tryLock(path string, create, how int) (*os.File, error) {
	file, err := os.OpenFile(path, create|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(file.Fd()), how|unix.LOCK_NB); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}
