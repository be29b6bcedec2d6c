package guesthost

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"labctl/pkg/pvesim"
)

// safeSerial is what may become part of a file name.
var safeSerial = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)

// attachDisks makes dev/disk/by-id name the directories that stand for disks.
// The directories are kept per volume, so that a disk keeps its content over a
// stop, and a new volume under an old serial is empty; the names are links, as
// on a real machine.
func attachDisks(root string, disks []pvesim.GuestDisk) error {
	byID := filepath.Join(root, "dev", "disk", "by-id")
	if err := os.RemoveAll(byID); err != nil {
		return fmt.Errorf("detaching disks: %w", err)
	}
	if err := os.MkdirAll(byID, 0o755); err != nil {
		return fmt.Errorf("attaching disks: %w", err)
	}
	for _, disk := range disks {
		name, err := diskName(disk)
		if err != nil {
			return fmt.Errorf("attaching disk %s: %w", disk.Slot, err)
		}
		volume := filepath.Join(root, "dev", "volume", url.PathEscape(disk.Volume))
		if err := os.MkdirAll(volume, 0o755); err != nil {
			return fmt.Errorf("attaching disk %s: %w", disk.Slot, err)
		}
		if err := os.Symlink(volume, filepath.Join(byID, name)); err != nil {
			return fmt.Errorf("attaching disk %s: %w", disk.Slot, err)
		}
	}
	return nil
}

// diskName is udev's name for a disk of QEMU.
func diskName(disk pvesim.GuestDisk) (string, error) {
	serial := disk.Serial
	if serial == "" {
		serial = "drive-" + disk.Slot
	}
	if !safeSerial.MatchString(serial) {
		return "", fmt.Errorf("serial %q cannot be part of a device name", serial)
	}
	switch {
	case strings.HasPrefix(disk.Slot, "virtio"):
		return "virtio-" + serial, nil
	case strings.HasPrefix(disk.Slot, "scsi"):
		return "scsi-0QEMU_QEMU_HARDDISK_" + serial, nil
	}
	return "ata-QEMU_HARDDISK_" + serial, nil
}
