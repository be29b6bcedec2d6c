package results

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// A live writer holds an exclusive flock on the manifest of its run. The kernel drops it when the process ends,
// however it ends: that is how a run that is being written differs from one that was interrupted.

// errBusy means that a process is writing the run.
var errBusy = errors.New("a running labctl is writing this run")

// lockRun takes the writer's lock on the run in dir.
func lockRun(dir string) (*os.File, error) {
	manifest, err := os.Open(filepath.Join(dir, manifestFile))
	if err != nil {
		return nil, fmt.Errorf("locking run: %w", err)
	}
	// isLive holds the lock too, for an instant: what stays locked is a writer.
	const tries = 1000
	for range tries {
		err = syscall.Flock(int(manifest.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			break
		}
		runtime.Gosched()
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = errBusy
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("locking run %s: %w", dir, err), manifest.Close())
	}
	return manifest, nil
}

// isLive reports whether a process is writing the run in dir.
func isLive(dir string) bool {
	manifest, err := os.Open(filepath.Join(dir, manifestFile))
	if err != nil {
		return false
	}
	defer manifest.Close() //nolint:errcheck // read-only; closing drops the lock
	err = syscall.Flock(int(manifest.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	return errors.Is(err, syscall.EWOULDBLOCK)
}
