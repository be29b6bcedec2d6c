package pvesim

import (
	"maps"
	"strings"
)

// lose takes parameters away, and options of parameters: "scsi1" and "scsi1.ssd".
func (p params) lose(names []string) {
	for _, name := range names {
		key, option, inside := strings.Cut(name, ".")
		if !inside {
			delete(p, key)
			continue
		}
		for i, value := range p[key] {
			p[key][i] = without(value, option)
		}
	}
}

// without is a value such as "zfs:1,ssd=1,discard=on" without one of its options.
func without(value, option string) string {
	var kept []string
	for part := range strings.SplitSeq(value, ",") {
		if key, _, _ := strings.Cut(part, "="); key != option {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, ",")
}

// bootFault takes options of disks away that a guest does not get, whatever the configuration says.
func (c *Cluster) bootFault(spec *GuestSpec) {
	for _, action := range c.strike(func(f Fault) bool { return f.Boot != nil && (f.Boot.VMID == 0 || f.Boot.VMID == spec.VMID) }) {
		for _, name := range action.Lose {
			slot, option, _ := strings.Cut(name, ".")
			for i := range spec.Disks {
				if spec.Disks[i].Slot == slot {
					spec.Disks[i].Options = maps.Clone(spec.Disks[i].Options)
					delete(spec.Disks[i].Options, option)
				}
			}
		}
	}
}
