package plan

import (
	"maps"
	"slices"
	"strings"

	"labctl/pkg/inventory"
	"labctl/pkg/labspec"
)

// seedImage is the upload of a VM's cloud-init image, if the lab wants one.
func seedImage(wanted Wanted, vm labspec.VM) (Upload, bool) {
	if wanted.Lab.CloudInit.Mode != labspec.CloudInitISO {
		return Upload{}, false
	}
	return Upload{Storage: wanted.Lab.CloudInit.Storage, FileName: wanted.SeedFile(vm.Name)}, true
}

// seedDrive puts the image in the place of the template's cloud-init drive: a guest takes the first one that it finds.
func seedDrive(wanted Wanted, vm labspec.VM, actual inventory.Config) []Setting {
	image, ok := seedImage(wanted, vm)
	if !ok {
		return nil
	}
	return []Setting{{seedSlot(actual), image.VolumeID() + ",media=cdrom"}}
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
