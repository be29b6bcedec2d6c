package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"labctl/pkg/inventory"
	"labctl/pkg/labspec"
)

// DataSlot is the slot of the data disk on its bus, such as scsi1.
func DataSlot(disk labspec.DataDisk) string { return string(disk.Bus) + "1" }

// VMName is the VM's name on PVE.
func VMName(lab *labspec.Lab, vm labspec.VM) string { return lab.Name + "-" + vm.Name }

// raw is a VM's configuration as PVE writes it, by key.
type raw = map[string]string

// drive is what the plan reads of a disk.
type drive struct {
	volume  string
	options map[string]string
}

// parseDrive reads a property string such as "zfs:vm-100-disk-1,cache=none,size=64G" (qm(1), scsi[n]).
func parseDrive(text string) drive {
	volume, rest, _ := strings.Cut(text, ",")
	d := drive{volume: volume, options: map[string]string{}}
	for option := range strings.SplitSeq(rest, ",") {
		key, value, _ := strings.Cut(option, "=")
		d.options[key] = value
	}
	return d
}

// sizeBytes reads the size option as PVE prints it: 64G, 2252M, 512K, 1T.
func (d drive) sizeBytes() (int64, bool) {
	text := d.options["size"]
	if text == "" {
		return 0, false
	}
	shift := map[byte]uint{'K': 10, 'M': 20, 'G': 30, 'T': 40}[text[len(text)-1]]
	number := text
	if shift > 0 {
		number = text[:len(text)-1]
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 {
		return 0, false
	}
	return n << shift, true
}

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
func hardware(lab *labspec.Lab, vm labspec.VM, template raw) []Setting {
	settings := []Setting{
		{"cores", strconv.Itoa(vm.Cores)},
		{"memory", strconv.FormatInt(vm.Memory.MiB(), 10)},
		{"balloon", "0"},
		{"agent", "enabled=1"},
		{"onboot", "0"},
		{"tags", inventory.Tag},
	}
	if vm.DataDisk.Bus == labspec.BusSCSI && vm.DataDisk.IOThread && template["scsihw"] != "virtio-scsi-single" {
		settings = append(settings, Setting{"scsihw", "virtio-scsi-single"}) // iothread is ignored with any other (qemu-server)
	}
	if bridge := lab.Network.Bridge; bridge != "" && parseDrive(template["net0"]).options["bridge"] != bridge {
		settings = append(settings, Setting{"net0", "virtio,bridge=" + bridge})
	}
	if template["protection"] == "1" {
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

// osSlot finds the disk that the clone boots from.
func osSlot(template raw) (string, bool) {
	for _, field := range strings.Split(template["boot"], ",") {
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

func isDisk(template raw, slot string) bool {
	text := template[slot]
	bus := strings.TrimRight(slot, "0123456789")
	return slices.Contains([]string{"scsi", "virtio", "sata", "ide"}, bus) && text != "" && !strings.Contains(text, "media=cdrom")
}

// Drift compares a VM's configuration, read back from PVE, with what the spec asks for. It returns nil or a *DriftError.
func Drift(lab *labspec.Lab, vm labspec.VM, vmid int, actual raw) error {
	var differences []Difference
	check := func(key, want, got string) {
		if want != got {
			differences = append(differences, Difference{Key: key, Want: want, Got: got})
		}
	}
	check("cores", strconv.Itoa(vm.Cores), actual["cores"])
	check("memory", strconv.FormatInt(vm.Memory.MiB(), 10), actual["memory"])
	slot := DataSlot(vm.DataDisk)
	disk := parseDrive(actual[slot])
	if disk.volume == "" {
		check(slot, allocation(vm.DataDisk), "")
	} else {
		for _, option := range dataOptions(vm.DataDisk) {
			check(slot+" "+option.Key, option.Value, disk.options[option.Key])
		}
		for _, option := range unwantedOptions(vm.DataDisk) {
			if got := disk.options[option.Key]; got != "" && got != option.Value {
				check(slot+" "+option.Key, option.Value, got)
			}
		}
		storage, _, _ := strings.Cut(disk.volume, ":")
		check(slot+" storage", vm.DataDisk.Storage, storage)
		size, _ := disk.sizeBytes()
		check(slot+" size", vm.DataDisk.Size.String(), labspec.Size(size).String())
	}
	if vm.DataDisk.Bus == labspec.BusSCSI && vm.DataDisk.IOThread {
		check("scsihw", "virtio-scsi-single", actual["scsihw"])
	}
	if len(differences) == 0 {
		return nil
	}
	return &DriftError{VM: vm.Name, VMID: vmid, Differences: differences}
}

// DiskBytes is the size of a disk as the configuration says it, 0 when it does not.
func DiskBytes(actual raw, slot string) int64 {
	size, _ := parseDrive(actual[slot]).sizeBytes()
	return size
}
