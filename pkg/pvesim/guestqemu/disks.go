package guestqemu

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"labctl/pkg/internal/cidata"
	"labctl/pkg/pvesim"
	"labctl/pkg/pvesim/guestimage"
)

// prepare makes the folder of a VM ready for its start: image files for its disks, and what is in its CD drives.
func prepare(folder string, spec pvesim.GuestSpec, image guestimage.Image, env []string) (map[string]diskFile, error) {
	if err := claim(folder, spec.UUID); err != nil {
		return nil, fmt.Errorf("preparing its folder: %w", err)
	}
	disks := map[string]diskFile{}
	for _, disk := range spec.Disks {
		if bus, _ := busAndNumber(disk.Slot); bus != "scsi" && bus != "virtio" && bus != "sata" && bus != "ide" {
			continue // efidisk0, tpmstate0
		}
		file, err := attach(folder, disk, image, env)
		if err != nil {
			return nil, fmt.Errorf("disk %s: %w", disk.Slot, err)
		}
		disks[disk.Slot] = file
	}
	if err := insertCDs(folder, spec); err != nil {
		return nil, err
	}
	return disks, nil
}

// claim makes sure that nothing of another VM with the same VMID is seen.
func claim(folder, uuid string) error {
	file := filepath.Join(folder, "uuid")
	owner, err := os.ReadFile(file)
	if err == nil && string(owner) == uuid {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := errors.Join(os.RemoveAll(folder), os.MkdirAll(folder, 0o700)); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(uuid), 0o600)
}

// attach makes the file of a volume the first time and lets it grow with the volume. Files are kept per volume, so that a
// disk keeps its content over a stop, and a new volume in an old slot is empty.
func attach(folder string, disk pvesim.GuestDisk, image guestimage.Image, env []string) (diskFile, error) {
	// "./" since QEMU takes what stands before a colon for a protocol.
	file := diskFile{Path: "./" + url.PathEscape(disk.Volume), Format: "raw"}
	if disk.System {
		file.Format = "qcow2"
	}
	path := filepath.Join(folder, file.Path)
	_, err := os.Stat(path)
	switch {
	case err == nil:
		return file, grow(path, file.Format, disk.SizeBytes, env)
	case !errors.Is(err, fs.ErrNotExist):
		return file, err
	case !disk.System:
		return file, grow(path, file.Format, disk.SizeBytes, env)
	case disk.SizeBytes < image.VirtualBytes:
		return file, fmt.Errorf("%d bytes are less than the image %s has (%d)", disk.SizeBytes, image.Disk, image.VirtualBytes)
	case disk.Linked:
		return file, run(env, "qemu-img", "create", "-q", "-f", "qcow2", "-b", image.Disk, "-F", image.Format, path, strconv.FormatInt(disk.SizeBytes, 10))
	}
	if err := run(env, "qemu-img", "convert", "-f", image.Format, "-O", "qcow2", image.Disk, path); err != nil {
		return file, err
	}
	return file, grow(path, file.Format, disk.SizeBytes, env)
}

// grow makes a file as large as its volume; it never makes one smaller.
func grow(path, format string, bytes int64, env []string) error {
	if format == "qcow2" {
		size, err := qcow2Size(path)
		if err != nil || size >= bytes {
			return err
		}
		return run(env, "qemu-img", "resize", "-q", "-f", "qcow2", path, strconv.FormatInt(bytes, 10))
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err == nil && info.Size() < bytes {
		err = file.Truncate(bytes)
	}
	return errors.Join(err, file.Close())
}

// qcow2Size reads the size of the disk in an image: 8 bytes, big endian, at offset 24 (QEMU, docs/interop/qcow2.txt).
func qcow2Size(path string) (int64, error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	var size [8]byte
	if _, err := file.ReadAt(size[:], 24); err != nil {
		return 0, fmt.Errorf("%s is no qcow2 image: %w", path, err)
	}
	return int64(binary.BigEndian.Uint64(size[:])), nil
}

// insertCDs writes what is in the CD drives: they are made anew at every start, as qemu-server does with cloud-init's.
func insertCDs(folder string, spec pvesim.GuestSpec) error {
	if spec.CloudInit != nil {
		image, err := cidata.ISO(cidata.Files{
			UserData: spec.CloudInit.User, MetaData: spec.CloudInit.Meta,
			NetworkConfig: spec.CloudInit.Network, VendorData: spec.CloudInit.VendorData,
		})
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, cloudInitFile), image, 0o600); err != nil {
			return fmt.Errorf("writing the cloud-init drive: %w", err)
		}
	}
	for _, iso := range spec.ISOs {
		if iso.Content == nil {
			return fmt.Errorf("CD %s: the sandbox knows the name of %s but not its content: it keeps small uploads only", iso.Slot, iso.Volume)
		}
		if err := os.WriteFile(filepath.Join(folder, isoFile(iso.Slot)), iso.Content, 0o600); err != nil {
			return fmt.Errorf("writing the CD %s: %w", iso.Slot, err)
		}
	}
	return nil
}

// takesDirectIO fails when the file system of a folder cannot bypass the page cache, as cache=none needs it (open(2)).
func takesDirectIO(dir string) error {
	path := filepath.Join(dir, "direct-io")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|unix.O_DIRECT, 0o600)
	if errors.Is(err, unix.EINVAL) {
		return errors.Join(fmt.Errorf("%s is on a file system without direct I/O, which disks with cache=none need: choose another --state-dir", dir), removeIfThere(path))
	}
	if err != nil {
		return err
	}
	return errors.Join(file.Close(), os.Remove(path))
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
