package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"labctl/pkg/pvesim/owned"
)

func keyPath(dir string) string    { return filepath.Join(dir, "host_ed25519") }
func guestsPath(dir string) string { return filepath.Join(dir, "guests") }

// Sweep removes what a sandbox left that was killed: its guests' processes and files, its address and its key. It leaves a
// sandbox that runs alone.
func Sweep(ctx context.Context, dir string) error {
	if _, err := os.Stat(lockPath(dir)); errors.Is(err, os.ErrNotExist) {
		return nil // there never was a sandbox
	}
	lock, err := takeLock(ctx, dir)
	if errors.Is(err, errRunning) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(removeFile(infoPath(dir)), owned.RemoveStale(machinesPath(dir)), owned.RemoveStale(guestsPath(dir)), removeFile(keyPath(dir)), lock.Close())
}

func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("cleaning up the sandbox: %w", err)
	}
	return nil
}
