package guestqemu

import (
	"fmt"
	"strings"

	"labctl/pkg/pvesim"
)

// single is the controller type that gives every SCSI disk a controller of its own, and with it an I/O thread.
const single = "virtio-scsi-single"

// busAndNumber splits a slot such as scsi1.
func busAndNumber(slot string) (bus string, n int) {
	bus = strings.TrimRight(slot, "0123456789")
	return bus, number(slot[len(bus):])
}

// hasIOThread says whether a disk gets an I/O thread of its own: qemu-server gives one to virtio-blk, and to SCSI disks
// that have their controller to themselves.
func hasIOThread(disk pvesim.GuestDisk, scsihw string) bool {
	bus, _ := busAndNumber(disk.Slot)
	return disk.Options["iothread"] == "1" && (bus == "virtio" || bus == "scsi" && scsihw == single)
}

// addController adds what a disk is connected to, once.
func (a *arguments) addController(disk pvesim.GuestDisk, scsihw string, there map[string]bool) {
	bus, n := busAndNumber(disk.Slot)
	thread := ""
	switch {
	case bus == "scsi" && hasIOThread(disk, scsihw):
		id := fmt.Sprintf("iothread-virtioscsi%d", n)
		a.add("-object", "iothread,id="+id)
		thread = ",iothread=" + id
	case hasIOThread(disk, scsihw):
		a.add("-object", "iothread,id=iothread-"+disk.Slot)
	}
	id, controller := "", ""
	switch {
	case bus == "scsi" && scsihw == single:
		id = fmt.Sprintf("virtioscsi%d", n)
		controller = fmt.Sprintf("virtio-scsi-pci,id=%s,bus=pci.3,addr=%#x%s", id, n+1, thread)
	case bus == "scsi" && scsihw == "virtio-scsi-pci":
		id, controller = "scsihw0", "virtio-scsi-pci,id=scsihw0,bus=pci.0,addr=0x6"
	case bus == "scsi":
		id, controller = "scsihw0", "lsi,id=scsihw0,bus=pci.0,addr=0x6"
	case bus == "sata":
		id, controller = "ahci0", "ahci,id=ahci0,multifunction=on,bus=pci.0,addr=0x7"
	}
	if controller != "" && !there[id] {
		there[id] = true
		a.add("-device", controller)
	}
}

// drive is the value of -drive: the host's side of a disk (QemuServer.pm, print_drive_commandline_full).
func drive(disk pvesim.GuestDisk, file diskFile) string {
	option := func(name, otherwise string) string {
		if value := disk.Options[name]; value != "" {
			return value
		}
		return otherwise
	}
	value := fmt.Sprintf("file=%s,if=none,id=drive-%s,format=%s,cache=%s,aio=%s", file.Path, disk.Slot, file.Format,
		option("cache", "none"), option("aio", "io_uring"))
	if disk.Options["discard"] == "on" {
		return value + ",discard=on,detect-zeroes=unmap"
	}
	return value + ",detect-zeroes=on"
}

// device is the value of -device: the guest's side of a disk (QemuServer.pm, print_drivedevice_full).
func device(disk pvesim.GuestDisk, scsihw string, order []string) string {
	bus, n := busAndNumber(disk.Slot)
	var value string
	switch {
	case bus == "scsi" && scsihw == single:
		value = fmt.Sprintf("scsi-hd,bus=virtioscsi%d.0,channel=0,scsi-id=0,lun=%d", n, n)
	case bus == "scsi" && scsihw == "virtio-scsi-pci":
		value = fmt.Sprintf("scsi-hd,bus=scsihw0.0,channel=0,scsi-id=0,lun=%d", n)
	case bus == "scsi":
		value = fmt.Sprintf("scsi-hd,bus=scsihw0.0,scsi-id=%d", n)
	case bus == "virtio":
		value = fmt.Sprintf("virtio-blk-pci,bus=pci.0,addr=%#x", 0xa+n)
		if hasIOThread(disk, scsihw) {
			value += ",iothread=iothread-" + disk.Slot
		}
	case bus == "sata":
		value = fmt.Sprintf("ide-hd,bus=ahci0.%d", n)
	default:
		value = fmt.Sprintf("ide-hd,bus=ide.%d,unit=%d", n/2, n%2)
	}
	value += fmt.Sprintf(",drive=drive-%s,id=%s", disk.Slot, disk.Slot)
	if disk.Options["ssd"] == "1" && bus != "virtio" {
		value += ",rotation_rate=1"
	}
	value += bootIndex(order, disk.Slot)
	if disk.Serial != "" {
		value += ",serial=" + disk.Serial
	}
	return value
}

// addCD adds a CD drive with an image in it, on the bus of its slot.
func (a *arguments) addCD(slot, file string) {
	a.add("-drive", fmt.Sprintf("file=%s,if=none,id=drive-%s,media=cdrom,format=raw,readonly=on,aio=io_uring", file, slot))
	bus, n := busAndNumber(slot)
	switch bus {
	case "ide":
		a.add("-device", fmt.Sprintf("ide-cd,bus=ide.%d,unit=%d,drive=drive-%s,id=%s", n/2, n%2, slot, slot))
	case "scsi": // a controller of its own, which no disk can have in that slot
		a.add("-device", fmt.Sprintf("virtio-scsi-pci,id=virtioscsi%d,bus=pci.3,addr=%#x", n, n+1))
		a.add("-device", fmt.Sprintf("scsi-cd,bus=virtioscsi%d.0,channel=0,scsi-id=0,lun=%d,drive=drive-%s,id=%s", n, n, slot, slot))
	case "sata": // the controller's ports are those of the disks; the CD has one of its own
		a.add("-device", fmt.Sprintf("ahci,id=ahci-%s,bus=pci.2,addr=%#x", slot, n+1))
		a.add("-device", fmt.Sprintf("ide-cd,bus=ahci-%s.0,drive=drive-%s,id=%s", slot, slot, slot))
	}
}
