package plan

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"labctl/pkg/lab/inventory"
	"labctl/pkg/labspec"
)

// Drift compares what the step configure sets with the VM's configuration, read back from PVE. It returns nil or a
// *DriftError. The OS disk is grown after that step: see DriftWhenUp.
func Drift(lab *labspec.Lab, vm labspec.VM, vmid int, actual inventory.Config) error {
	return driftError(vm, vmid, configured(lab, vm, actual))
}

// DriftWhenUp compares a VM that was started with everything that the spec asks for. It returns nil or a *DriftError.
func DriftWhenUp(lab *labspec.Lab, vm labspec.VM, vmid int, actual inventory.Config) error {
	return driftError(vm, vmid, append(configured(lab, vm, actual), grown(vm, actual)...))
}

// Running is what PVE tells of a VM that was started.
type Running struct {
	Config      inventory.Config // in effect
	Waiting     []string         // keys that another value waits for
	CPUs        int
	MemoryBytes int64
	State       string // QEMU's own, such as running
}

// DriftWhenStarted compares what a started VM runs with, with everything that the spec asks for. PVE's status has the vCPUs
// that QEMU got, and the node may have fewer than were asked for (qemu-server 9.2.6, QemuServer.pm 2569-2572); a value that
// waits for the next start is not in effect. It returns nil or a *DriftError.
func DriftWhenStarted(lab *labspec.Lab, vm labspec.VM, vmid int, running Running) error {
	differences := append(configured(lab, vm, running.Config), grown(vm, running.Config)...)
	check := func(key, want, got string) {
		if want != got {
			differences = append(differences, Difference{Key: key, Want: want, Got: got})
		}
	}
	check("vCPUs of the running VM", strconv.Itoa(vm.Cores), strconv.Itoa(running.CPUs))
	check("memory of the running VM", vm.Memory.String(), labspec.Size(running.MemoryBytes).String())
	check("state of the running VM", "running", running.State)
	for _, key := range running.Waiting {
		check(key+" in effect", "the value that waits for the next start", running.Config.Raw[key])
	}
	return driftError(vm, vmid, differences)
}

func driftError(vm labspec.VM, vmid int, differences []Difference) error {
	if len(differences) == 0 {
		return nil
	}
	return &DriftError{VM: vm.Name, VMID: vmid, Differences: differences}
}

// configured are the differences in what the step configure sets.
func configured(lab *labspec.Lab, vm labspec.VM, actual inventory.Config) []Difference {
	var differences []Difference
	check := func(key, want, got string) {
		if want != got {
			differences = append(differences, Difference{Key: key, Want: want, Got: got})
		}
	}
	check("cores", strconv.Itoa(vm.Cores), actual.Raw["cores"])
	check("memory", strconv.FormatInt(vm.Memory.MiB(), 10), actual.Raw["memory"])
	check("balloon", "0", actual.Raw["balloon"])
	if device, set := NetDevice(lab, actual); set {
		check("net0", device, actual.Raw["net0"])
	}
	if vm.DataDisk.Bus == labspec.BusSCSI && vm.DataDisk.IOThread {
		check("scsihw", "virtio-scsi-single", actual.Raw["scsihw"])
	}
	if lab.CloudInit.Mode == labspec.CloudInitISO {
		slot := seedSlot(actual)
		disk, _ := actual.Drive(slot)
		if _, ours := inventory.ParseUploadName(disk.Volume); !ours {
			check(slot, lab.CloudInit.Storage+":iso/…", disk.Volume)
		}
	}
	return slices.Concat(differences, unwanted(actual), dataDisk(vm.DataDisk, actual))
}

// unwanted are the keys that no VM of a lab has, whoever set them.
func unwanted(actual inventory.Config) []Difference {
	var differences []Difference
	for _, key := range toReset(actual) {
		differences = append(differences, Difference{Key: key, Want: "PVE's default", Got: actual.Raw[key]})
	}
	for _, key := range slices.Sorted(maps.Keys(actual.Raw)) {
		if rowOf(key, actual.Raw[key]).treatment == Refused {
			differences = append(differences, Difference{Key: key, Want: "none", Got: actual.Raw[key]})
		}
	}
	return differences
}

// dataDisk are the differences in the data disk.
func dataDisk(wanted labspec.DataDisk, actual inventory.Config) []Difference {
	slot := DataSlot(wanted)
	disk, ok := actual.Drive(slot)
	if !ok {
		return []Difference{{Key: slot, Want: allocation(wanted)}}
	}
	var differences []Difference
	check := func(option, want, got string) {
		if want != got {
			differences = append(differences, Difference{Key: slot + " " + option, Want: want, Got: got})
		}
	}
	for _, option := range dataOptions(wanted) {
		check(option.Key, option.Value, disk.Options[option.Key])
	}
	for _, option := range unwantedOptions(wanted) {
		if got := disk.Options[option.Key]; got != "" {
			check(option.Key, option.Value, got)
		}
	}
	for _, option := range slices.Sorted(maps.Keys(disk.Options)) {
		if IsThrottle(option) {
			check(option, "none", disk.Options[option])
		}
	}
	storage, _, _ := strings.Cut(disk.Volume, ":")
	check("storage", wanted.Storage, storage)
	size, _ := disk.SizeBytes()
	check("size", wanted.Size.String(), labspec.Size(size).String())
	return differences
}

// grown is the difference in the size of the OS disk, which is of whole GiB in a spec: no storage rounds it.
func grown(vm labspec.VM, actual inventory.Config) []Difference {
	slot, _ := OSSlot(actual)
	disk, _ := actual.Drive(slot)
	size, ok := disk.SizeBytes()
	if !ok || size == int64(vm.OSDisk.Size) {
		return nil
	}
	return []Difference{{Key: slot + " size", Want: vm.OSDisk.Size.String(), Got: labspec.Size(size).String()}}
}
