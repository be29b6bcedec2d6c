package plan

import (
	"fmt"
	"strconv"
	"strings"

	"labctl/pkg/lab/inventory"
	"labctl/pkg/labspec"
)

// DataSlot is the slot of the data disk on its bus, such as scsi1.
func DataSlot(disk labspec.DataDisk) string { return string(disk.Bus) + "1" }

// VMName is the VM's name on PVE.
func VMName(lab *labspec.Lab, vm labspec.VM) string { return lab.Name + "-" + vm.Name }

// dataOptions are the options of the data disk in the order in which PVE's own documentation lists them.
func dataOptions(disk labspec.DataDisk) []Setting {
	options := []Setting{{"cache", string(disk.Cache)}}
	if disk.AIO != labspec.AIODefault {
		options = append(options, Setting{"aio", string(disk.AIO)})
	}
	if disk.Discard {
		options = append(options, Setting{"discard", "on"})
	}
	if disk.IOThread {
		options = append(options, Setting{"iothread", "1"})
	}
	if disk.SSD {
		options = append(options, Setting{"ssd", "1"})
	}
	return append(options, Setting{"serial", labspec.DataDiskSerial})
}

// unwantedOptions are those of the data disk that nobody asked for, with their value for no.
func unwantedOptions(disk labspec.DataDisk) []Setting {
	var options []Setting
	for _, option := range []struct {
		wanted bool
		no     Setting
	}{{disk.Discard, Setting{"discard", "ignore"}}, {disk.IOThread, Setting{"iothread", "0"}}, {disk.SSD, Setting{"ssd", "0"}}} {
		if !option.wanted {
			options = append(options, option.no)
		}
	}
	if disk.AIO == labspec.AIODefault {
		options = append(options, Setting{"aio", "default"})
	}
	return options
}

// hardware is everything but the disks, cloud-init and the name.
func hardware(lab *labspec.Lab, vm labspec.VM, template inventory.Config) []Setting {
	settings := []Setting{
		{"cores", strconv.Itoa(vm.Cores)},
		{"memory", strconv.FormatInt(vm.Memory.MiB(), 10)},
		{"balloon", "0"},
		{"agent", "enabled=1"},
		{"onboot", "0"},
		{"tags", inventory.Tag},
	}
	if vm.DataDisk.Bus == labspec.BusSCSI && vm.DataDisk.IOThread && template.Raw["scsihw"] != "virtio-scsi-single" {
		settings = append(settings, Setting{"scsihw", "virtio-scsi-single"}) // iothread is ignored with any other (qemu-server)
	}
	if device, set := NetDevice(lab, template); set {
		settings = append(settings, Setting{"net0", device})
	}
	if template.Raw["protection"] == "1" {
		settings = append(settings, Setting{"protection", "0"}) // inherited by the clone; would make the VM indestructible
	}
	return settings
}

// allocation is the value that makes PVE allocate the data disk.
func allocation(disk labspec.DataDisk) string {
	gib, _ := disk.Size.GiB()
	parts := []string{fmt.Sprintf("%s:%d", disk.Storage, gib)}
	for _, option := range dataOptions(disk) {
		parts = append(parts, option.Key+"="+option.Value)
	}
	return strings.Join(parts, ",")
}

// OSSlot finds the disk that the clone boots from.
func OSSlot(template inventory.Config) (string, bool) {
	for _, field := range strings.Split(template.Raw["boot"], ",") {
		order, ok := strings.CutPrefix(field, "order=")
		if !ok {
			continue
		}
		for slot := range strings.SplitSeq(order, ";") {
			if isDisk(template, slot) {
				return slot, true
			}
		}
	}
	for _, slot := range []string{"scsi0", "virtio0", "sata0", "ide0"} {
		if isDisk(template, slot) {
			return slot, true
		}
	}
	return "", false
}

func isDisk(template inventory.Config, slot string) bool {
	disk, ok := template.Drive(slot)
	return ok && disk.Options["media"] != "cdrom"
}
