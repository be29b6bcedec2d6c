// Package zvol guards the layer host-zvol: fio on the PVE host writes to the very zvol that is a stopped VM's data disk,
// past every file system. One wrong device there is somebody's data, so a row of interlocks stands before every write;
// each alone is enough to refuse.
package zvol

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

// Wanted is the disk that the lab means.
type Wanted struct {
	VM        string // name in the lab spec
	VMID      int
	Volume    string // volume ID in the VM's configuration, such as "zfs:vm-101-disk-1"
	Device    string // where PVE says that the volume is, such as "/dev/zvol/rpool/data/vm-101-disk-1"
	SizeBytes int64  // by the lab spec
	Serial    string // by which the lab knows its data disks
	// InSpec and ByFlag are the two confirmations: the lab lists the VM among those whose disk may be overwritten, and
	// so does the command line.
	InSpec, ByFlag bool
}

// VMState is what PVE says of the VM, read right before the write.
type VMState struct {
	Running    bool
	Lock       string // of its configuration, "" for none
	Ours       bool   // it carries the mark of this lab run
	Template   bool
	Volume     string // of the data disk, as configured
	Serial     string // of the data disk, as configured
	SizeBytes  int64  // of the data disk, as configured
	UsesVolume int    // how many drives of the VM name the volume
}

// Device is what the host says of the device (see Capture).
type Device struct {
	Node      string   // what the link in /dev/zvol leads to, such as "/dev/zd16"
	Dataset   string   // ZFS's name of the volume
	Type      string   // ZFS's type of it: "volume"
	VolSize   int64    // in bytes, by ZFS
	SizeBytes int64    // by the kernel
	Kind      string   // by the kernel: "disk"
	FSType    string   // of the whole device, "" for none
	Label     string   // of its file system
	Mounts    []string // of the device and everything on it
	Parts     []string // partitions and whatever else is on it
	Holders   []string // devices that are built on it
	OpenBy    []string // processes that have it open
}

// RefusedError says which interlocks stand in the way. Nothing was written.
type RefusedError struct {
	Device  string
	Reasons []string
}

// Error has all of them.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("%s is not written to:\n  - %s", e.Device, strings.Join(e.Reasons, "\n  - "))
}

// fileSystemLabel is what a lab's data disks are formatted with (cloudinit/prepare.sh).
const fileSystemLabel = "labctl-data"

var (
	zdNode     = regexp.MustCompile(`^/dev/zd[0-9]+$`)
	zvolName   = regexp.MustCompile(`^vm-([0-9]+)-disk-[0-9]+$`)
	zvolDevice = regexp.MustCompile(`^/dev/zvol/([A-Za-z0-9][A-Za-z0-9_.:/-]*)$`)
)

// Check returns nil when the device is surely the VM's data disk and nothing uses it, or a *RefusedError.
func Check(wanted Wanted, vm VMState, device Device) error {
	var reasons []string
	refuse := func(when bool, format string, args ...any) {
		if when {
			reasons = append(reasons, fmt.Sprintf(format, args...))
		}
	}
	checkConsent(wanted, refuse)
	checkVM(wanted, vm, refuse)
	checkNames(wanted, device, refuse)
	checkDevice(wanted, device, refuse)
	if len(reasons) > 0 {
		return &RefusedError{Device: wanted.Device, Reasons: reasons}
	}
	return nil
}

// refuser notes a reason when the condition holds.
type refuser func(when bool, format string, args ...any)

// checkConsent wants both confirmations.
func checkConsent(wanted Wanted, refuse refuser) {
	refuse(!wanted.InSpec, "the lab does not allow it: list %s under host.zvols, its data disk loses its content", wanted.VM)
	refuse(!wanted.ByFlag, "the command line does not confirm it: say --zvol %s", wanted.VM)
}

// checkVM wants the VM stopped, ours, and its data disk as the lab made it.
func checkVM(wanted Wanted, vm VMState, refuse refuser) {
	refuse(vm.Running, "VM %d runs: its own writes would be destroyed, and destroy ours", wanted.VMID)
	refuse(vm.Lock != "", "VM %d is locked (%s)", wanted.VMID, vm.Lock)
	refuse(!vm.Ours, "VM %d does not carry the mark of this lab run", wanted.VMID)
	refuse(vm.Template, "VM %d is a template: others live on its disks", wanted.VMID)
	refuse(vm.Volume != wanted.Volume, "the data disk of VM %d is %q, expected was %q", wanted.VMID, vm.Volume, wanted.Volume)
	refuse(vm.Serial != wanted.Serial, "the data disk of VM %d has the serial %q, the lab's have %q", wanted.VMID, vm.Serial, wanted.Serial)
	refuse(vm.SizeBytes != wanted.SizeBytes, "the data disk of VM %d has %d bytes by its configuration, the lab wants %d", wanted.VMID, vm.SizeBytes, wanted.SizeBytes)
	refuse(vm.UsesVolume != 1, "%d drives of VM %d name the volume %s", vm.UsesVolume, wanted.VMID, wanted.Volume)
}

// checkNames wants one name on the whole way from the configuration to the kernel.
func checkNames(wanted Wanted, device Device, refuse refuser) {
	_, volume, _ := strings.Cut(wanted.Volume, ":")
	name := zvolName.FindStringSubmatch(volume)
	switch {
	case name == nil:
		refuse(true, "volume %s is not named as a VM's own disk on ZFS: clones and base disks are never written to", wanted.Volume)
	default:
		refuse(name[1] != fmt.Sprint(wanted.VMID), "volume %s is named after another VM than %d", wanted.Volume, wanted.VMID)
	}
	match := zvolDevice.FindStringSubmatch(wanted.Device)
	switch {
	case match == nil || path.Clean(wanted.Device) != wanted.Device:
		refuse(true, "%q is no device of a zvol: this layer exists for storages of the type zfspool only", wanted.Device)
	default:
		refuse(path.Base(wanted.Device) != volume, "device %s is not named as the volume %s", wanted.Device, volume)
		refuse(device.Dataset != match[1], "ZFS calls the device %q, expected was %q", device.Dataset, match[1])
	}
	refuse(!zdNode.MatchString(device.Node), "%s leads to %q, which is no zvol of the kernel's (/dev/zdN)", wanted.Device, device.Node)
}

// checkDevice wants the size to match everywhere and nobody to use the device.
func checkDevice(wanted Wanted, device Device, refuse refuser) {
	refuse(device.Type != "volume", "ZFS says that it is a %q, not a volume", device.Type)
	refuse(device.Kind != "disk", "the kernel says that it is a %q, not a disk", device.Kind)
	refuse(device.VolSize != wanted.SizeBytes, "ZFS gives it %d bytes, the lab wants %d", device.VolSize, wanted.SizeBytes)
	refuse(device.SizeBytes != wanted.SizeBytes, "the kernel gives it %d bytes, the lab wants %d", device.SizeBytes, wanted.SizeBytes)
	refuse(len(device.Mounts) > 0, "it is mounted at %s", strings.Join(device.Mounts, ", "))
	refuse(len(device.Parts) > 0, "it has partitions or is part of something: %s", strings.Join(device.Parts, ", "))
	refuse(len(device.Holders) > 0, "other devices are built on it: %s", strings.Join(device.Holders, ", "))
	refuse(len(device.OpenBy) > 0, "processes have it open: %s", strings.Join(device.OpenBy, ", "))
	ours := device.FSType == "" || (device.FSType == "ext4" && device.Label == fileSystemLabel)
	refuse(!ours, "it holds %s %q, which no lab put there", device.FSType, device.Label)
}
