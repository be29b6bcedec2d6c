package plan

import (
	"maps"
	"slices"
	"strings"

	"labctl/pkg/lab/inventory"
	"labctl/pkg/labspec"
)

// seedImage is the upload of a VM's cloud-init image, if the lab wants one.
func seedImage(wanted Wanted, vm labspec.VM) (Upload, bool) {
	if wanted.Lab.CloudInit.Mode != labspec.CloudInitISO {
		return Upload{}, false
	}
	return Upload{Storage: wanted.Lab.CloudInit.Storage, FileName: wanted.SeedFile(vm.Name)}, true
}

// withSeed puts the image in the place of the template's cloud-init drive, since a guest takes the first one that it finds,
// and gives the VM the MAC address that the image knows the network by.
func withSeed(settings []Setting, wanted Wanted, vm labspec.VM, actual inventory.Config) []Setting {
	image, ok := seedImage(wanted, vm)
	if !ok {
		return settings
	}
	device := actual.Raw["net0"]
	settings = slices.DeleteFunc(settings, func(s Setting) bool {
		if s.Key == "net0" {
			device = s.Value
		}
		return s.Key == "net0"
	})
	return append(settings, Setting{"net0", withMAC(device, wanted.MAC(vm.Name))},
		Setting{seedSlot(actual), image.VolumeID() + ",media=cdrom"})
}

// withMAC is a network device such as "virtio,bridge=vmbr0" or "virtio=BC:24:11:00:00:01,bridge=vmbr0" with that address.
func withMAC(device, mac string) string {
	model, options, more := strings.Cut(device, ",")
	model, _, _ = strings.Cut(model, "=")
	if model == "" {
		model = "virtio"
	}
	value := model + "=" + mac
	if more {
		value += "," + options
	}
	return value
}

// seedSlot is the slot of the drive with the cloud-init data: PVE's own, or an image of ours; without any it is ide2, as
// PVE's documentation has it.
func seedSlot(actual inventory.Config) string {
	for _, slot := range slices.Sorted(maps.Keys(actual.Raw)) {
		disk, ok := actual.Drive(slot)
		_, ours := inventory.ParseUploadName(disk.Volume)
		if ok && disk.Options["media"] == "cdrom" && (ours || strings.HasSuffix(disk.Volume, "cloudinit")) {
			return slot
		}
	}
	return "ide2"
}
