package teardown

import (
	"slices"
	"strings"

	"labctl/pkg/lab/journal"
)

// MayHold says whether a storage that does not answer may hold a volume of the run under the VMID. It may when our VM's configuration
// named one there; and when nobody read the whole configuration, as after a clone or a configuration that failed, when the lab puts disks
// there at all: the storages of its spec, and of every disk that the journal knows. Without both, every storage may.
func MayHold(storage string, known journal.VM, state *journal.State, ofSpec []string) bool {
	on := func(volume string) bool { return strings.HasPrefix(volume, storage+":") }
	if slices.ContainsFunc(known.Disks, on) {
		return true
	}
	failed := slices.ContainsFunc(known.Failed, func(op journal.Op) bool {
		return op == journal.OpClone || op == journal.OpConfigure || op == journal.OpCreate
	})
	if len(known.Disks) > 0 && !failed && !known.Lossy {
		return false
	}
	disks := 0
	for _, vm := range state.VMs {
		disks += len(vm.Disks)
		if slices.ContainsFunc(vm.Disks, on) {
			return true
		}
	}
	return slices.Contains(ofSpec, storage) || (disks == 0 && len(ofSpec) == 0)
}
