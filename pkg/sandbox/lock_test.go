package sandbox

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestWhoAsksDoesNotLookLikeASandbox(t *testing.T) {
	dir := t.TempDir()
	if locked, err := isLocked(filepath.Join(dir, "missing")); locked || err != nil {
		t.Errorf("a missing directory: %v, %v", locked, err)
	}
	asking, err := tryLock(lockPath(dir), os.O_CREATE, unix.LOCK_SH)
	if err != nil {
		t.Fatal(err)
	}
	if locked, err := isLocked(dir); locked || err != nil {
		t.Errorf("locked: %v, %v", locked, err)
	}
	tries := 0
	lock, err := awaitLock(t.Context(), lockPath(dir), lockTime, func() error {
		tries++
		return asking.Close()
	})
	if err != nil || tries != 1 {
		t.Fatalf("%v after %d tries", err, tries)
	}
	defer lock.Close()
	if locked, err := isLocked(dir); !locked || err != nil {
		t.Errorf("locked: %v, %v", locked, err)
	}
}

func TestExclusive(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "sandbox")
	order := make(chan string, 2)
	second := make(chan error)
	err := Exclusive(t.Context(), dir, func() error {
		go func() {
			second <- Exclusive(t.Context(), dir, func() error {
				order <- "second"
				return nil
			})
		}()
		enough := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(enough)
		if err := Exclusive(ctx, dir, func() error { t.Error("two at a time"); return nil }); !errors.Is(err, enough) {
			t.Errorf("without patience: %v", err)
		}
		order <- "first"
		return nil
	})
	if err := errors.Join(err, <-second); err != nil {
		t.Error(err)
	}
	if first := <-order; first != "first" {
		t.Errorf("the %s call did not wait", first)
	}
	failure := errors.New("failure")
	if err := Exclusive(t.Context(), dir, func() error { return failure }); !errors.Is(err, failure) {
		t.Errorf("error %v", err)
	}
}
