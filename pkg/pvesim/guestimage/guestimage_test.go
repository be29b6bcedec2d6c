package guestimage

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOpen(t *testing.T) {
	qcow2 := make([]byte, 64)
	copy(qcow2, "QFI\xfb")
	binary.BigEndian.PutUint64(qcow2[24:], 3<<30)
	negative := bytes.Clone(qcow2)
	binary.BigEndian.PutUint64(negative[24:], 1<<63)
	tests := map[string]struct {
		content []byte
		format  string
		bytes   int64
	}{
		"qcow2":     {qcow2, "qcow2", 3 << 30},
		"raw":       {make([]byte, 1<<20), "raw", 1 << 20},
		"negative":  {negative, "", 0},
		"too short": {[]byte("QFI\xfb"), "", 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "image")
			if err := os.WriteFile(path, test.content, 0o600); err != nil {
				t.Fatal(err)
			}
			image, err := Open(path)
			if (err != nil) != (test.format == "") || image.Format != test.format || image.VirtualBytes != test.bytes || image.Kernel != "" {
				t.Errorf("%+v, %v", image, err)
			}
		})
	}
	if _, err := Open(filepath.Join(t.TempDir(), "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing image: %v", err)
	}
}

// An image that is there is taken as it is, with the kernel beside it; it is not built again.
func TestEnsureFinds(t *testing.T) {
	cache := t.TempDir()
	if _, err := Find(cache); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("an empty cache: %v", err)
	}
	dir := imageDir(cache)
	if err := errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(filepath.Join(dir, "disk.qcow2"), make([]byte, 512), 0o600)); err != nil {
		t.Fatal(err)
	}
	image, err := Ensure(t.Context(), cache, func() { t.Error("it is built again") })
	if err != nil || image.Kernel != filepath.Join(dir, "vmlinuz") || !strings.Contains(image.Append, "root=LABEL=") {
		t.Errorf("%+v, %v", image, err)
	}
}

// Who cannot build is told what to do, before anything is begun.
func TestEnsureMissesTools(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Ensure(t.Context(), t.TempDir(), func() { t.Error("it was begun") })
	if err == nil || !strings.Contains(err.Error(), "apt-get install qemu-system-x86 qemu-utils mmdebstrap e2fsprogs") {
		t.Errorf("got %v", err)
	}
	if err := CheckRunner(); err == nil || !strings.Contains(err.Error(), "apt-get install qemu-system-x86 qemu-utils") {
		t.Errorf("got %v", err)
	}
}

// A build that is interrupted leaves nothing, and what a killed one left goes with the next.
func TestBuildInterrupted(t *testing.T) {
	cache := t.TempDir()
	if err := os.Mkdir(filepath.Join(cache, unfinished+"killed"), 0o755); err != nil {
		t.Fatal(err)
	}
	why := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if err := build(ctx, cache); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
	if entries, err := os.ReadDir(cache); err != nil || len(entries) != 0 {
		t.Errorf("left: %v, %v", entries, err)
	}
}

func TestTakeLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	held, err := takeLock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := takeLock(ctx, path); err == nil {
		t.Error("two builders at once")
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	free, err := takeLock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := free.Close(); err != nil {
		t.Error(err)
	}
}
