// Package guestimage makes the operating system of the sandbox's virtual machines: a small Debian with cloud-init, sshd,
// the guest agent and fio, built from packages once and kept in the user's cache; or takes a cloud image that the user has.
package guestimage

import (
	"context"
	"crypto/sha256"
	_ "embed" // for the recipe
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

//go:embed build.sh
var script string

// What the built image is made of. A change makes another image.
const (
	suite = "trixie"
	label = "labctl-root"
	mib   = 2252
)

// packages are those beside Debian's essential ones. util-linux-extra has hwclock, which the guest agent sets the clock by.
func packages() []string {
	return []string{
		"systemd-sysv", "udev", "dbus", "linux-image-cloud-amd64", "zstd", "cloud-init", "openssh-server", "qemu-guest-agent",
		"fio", "sudo", "iproute2", "e2fsprogs", "netbase", "util-linux-extra",
	}
}

// cmdline is the kernel's: panic=-1 makes a crash end the VM instead of starting it anew unseen; what only costs time
// without hardware acceleration is off.
const cmdline = "root=LABEL=" + label + " ro console=ttyS0 net.ifnames=0 panic=-1 mitigations=off nokaslr audit=0 " +
	"apparmor=0 selinux=0 8250.nr_uarts=1"

// Image is an operating system that a VM can boot.
type Image struct {
	Disk         string // path of the disk image
	Format       string // qcow2 or raw
	VirtualBytes int64  // size of the disk
	// Kernel, Initrd and Append boot it directly; empty for an image with a boot loader of its own.
	Kernel, Initrd, Append string
}

// DefaultCache is the user's cache directory for images.
func DefaultCache() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding a place for the sandbox's image: %w", err)
	}
	return filepath.Join(base, "labctl", "guestimage"), nil
}

// id names the image by everything that it is made of.
func id() string {
	sum := sha256.Sum256([]byte(strings.Join(append([]string{script, suite, label, fmt.Sprint(mib)}, packages()...), "\x00")))
	return hex.EncodeToString(sum[:6])
}

func imageDir(cache string) string { return filepath.Join(cache, suite+"-"+id()) }

// Find returns the built image, or an error that is fs.ErrNotExist when it has to be built.
func Find(cache string) (Image, error) {
	dir := imageDir(cache)
	image, err := Open(filepath.Join(dir, "disk.qcow2"))
	if err != nil {
		return Image{}, err
	}
	image.Kernel, image.Initrd, image.Append = filepath.Join(dir, "vmlinuz"), filepath.Join(dir, "initrd"), cmdline
	return image, nil
}

// maxVirtualBytes is more than any cloud image has: what a damaged or hostile header says is not believed.
const maxVirtualBytes = 16 << 40

// Open takes a cloud image that the user has, in the format qcow2 or raw.
func Open(path string) (Image, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return Image{}, fmt.Errorf("opening the image: %w", err)
	}
	file, err := os.Open(path)
	if err != nil {
		return Image{}, fmt.Errorf("opening the image: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return Image{}, fmt.Errorf("opening the image: %w", err)
	}
	image := Image{Disk: path, Format: "raw", VirtualBytes: info.Size()}
	// The header of a qcow2 image begins with QFI\xfb; its size stands at offset 24 (QEMU, docs/interop/qcow2.txt).
	var header [32]byte
	if _, err := file.ReadAt(header[:], 0); err != nil {
		return Image{}, fmt.Errorf("opening the image %s: it is no disk image: %w", path, err)
	}
	if string(header[:4]) == "QFI\xfb" {
		size := binary.BigEndian.Uint64(header[24:])
		if size > maxVirtualBytes {
			return Image{}, fmt.Errorf("opening the image %s: its disk has %d bytes, at most %d are taken", path, size, uint64(maxVirtualBytes))
		}
		image.Format, image.VirtualBytes = "qcow2", int64(size)
	}
	return image, nil
}

// Ensure returns the built image, which it builds when it is missing. Only one process at a time builds; others wait.
// Before it builds, it calls building.
func Ensure(ctx context.Context, cache string, building func()) (image Image, err error) {
	if image, err := Find(cache); !errors.Is(err, fs.ErrNotExist) {
		return image, err
	}
	if err := checkBuilder(); err != nil {
		return Image{}, err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return Image{}, fmt.Errorf("building the sandbox's image: %w", err)
	}
	building()
	lock, err := takeLock(ctx, filepath.Join(cache, "lock"))
	if err != nil {
		return Image{}, fmt.Errorf("building the sandbox's image: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if image, err := Find(cache); !errors.Is(err, fs.ErrNotExist) {
		return image, err // another process built it meanwhile
	}
	if err := build(ctx, cache); err != nil {
		return Image{}, fmt.Errorf("building the sandbox's image: %w", err)
	}
	return Find(cache)
}

// build runs the recipe in a new directory, which gets its name when all is done.
func build(ctx context.Context, cache string) (err error) {
	if err := removeUnfinished(cache); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(cache, unfinished)
	if err != nil {
		return err
	}
	// mmdebstrap unpacks as a user without rights, who must be able to pass.
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	command := exec.CommandContext(ctx, "sh", "-c", script, "build.sh", dir)
	command.Env = []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "TMPDIR=" + os.TempDir(),
		"LABCTL_SUITE=" + suite, "LABCTL_PACKAGES=" + strings.Join(packages(), ","), "LABCTL_LABEL=" + label, fmt.Sprintf("LABCTL_MIB=%d", mib),
	}
	// Its children end with it: mmdebstrap cleans up after SIGINT.
	command.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return unix.Kill(-command.Process.Pid, unix.SIGINT) }
	output, err := command.CombinedOutput()
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("%w: %s", err, lastLines(string(output), 15))
	}
	return os.Rename(dir, imageDir(cache))
}

const unfinished = "unfinished-"

// removeUnfinished removes what a killed build left. It is called under the lock.
func removeUnfinished(cache string) error {
	left, err := filepath.Glob(filepath.Join(cache, unfinished+"*"))
	for _, dir := range left {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
