package teardown

import (
	"testing"

	"labctl/pkg/lab/journal"
)

// A storage that does not answer is a doubt only when a disk of the lab may be on it.
func TestMayHold(t *testing.T) {
	whole := journal.VM{VMID: 9100, Disks: []string{"zfs:vm-9100-disk-0"}}
	other := &journal.State{VMs: []journal.VM{{VMID: 9101, Disks: []string{"ssd:vm-9101-disk-0"}}}}
	failed, lossy := whole, whole
	failed.Failed, lossy.Lossy = []journal.Op{journal.OpConfigure}, true
	for name, test := range map[string]struct {
		storage string
		known   journal.VM
		state   *journal.State
		spec    []string
		want    bool
	}{
		"our disk is on it":                            {"zfs", whole, other, nil, true},
		"all our disks are elsewhere":                  {"nas", whole, other, []string{"nas"}, false},
		"a storage whose name begins alike":            {"zf", whole, other, []string{"zf"}, false},
		"a configuration failed, the spec names it":    {"nas", failed, other, []string{"nas"}, true},
		"a configuration failed, another VM has disks": {"ssd", failed, other, nil, true},
		"a configuration failed, the lab is elsewhere": {"nas", failed, other, []string{"zfs"}, false},
		"lines are lost, the spec names it":            {"nas", lossy, other, []string{"nas"}, true},
		"nothing was read, the lab is elsewhere":       {"nas", journal.VM{VMID: 9100}, &journal.State{}, []string{"zfs"}, false},
		"nothing is known at all":                      {"nas", journal.VM{VMID: 9100}, &journal.State{}, nil, true},
	} {
		if got := MayHold(test.storage, test.known, test.state, test.spec); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
