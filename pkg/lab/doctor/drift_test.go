package doctor_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"labctl/pkg/lab/doctor"
	"labctl/pkg/lab/inventory"
	"labctl/pkg/pve"
	"labctl/pkg/pvesim"
)

// A VM of the lab that runs is compared with the spec; one that is stopped, under work, or not the lab's any more is not.
func TestDriftOfAVMThatIsUp(t *testing.T) {
	for _, test := range []struct {
		name  string
		alter func(*testbed, *pvesim.VMSpec)
		drift bool
	}{
		{"it runs", func(*testbed, *pvesim.VMSpec) {}, true},
		{"it is stopped", func(_ *testbed, vm *pvesim.VMSpec) { vm.Running = false }, false},
		{"another labctl is at work", func(w *testbed, _ *pvesim.VMSpec) { w.input.Unfinished = true }, false},
		{"it is of another lab", func(_ *testbed, vm *pvesim.VMSpec) {
			vm.Config["description"] = inventory.Mark{Lab: "other", Owner: "me@here", Run: "r", VM: "one", Version: "test"}.Description()
		}, false},
		{"it has no mark", func(_ *testbed, vm *pvesim.VMSpec) { delete(vm.Config, "description") }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newTestbed(9)
				vm := pvesim.VMSpec{VMID: 9100, Name: "check-one", Pool: pvesim.SandboxPool, Running: true, Config: map[string]string{
					"cores": "1", "description": inventory.Mark{Lab: "check", Owner: "me@here", Run: "r", VM: "one", Version: "test"}.Description(),
				}}
				w.input.Up = []doctor.UpVM{{Name: "one", Ref: pve.VMRef{Node: "pve", ID: 9100}}}
				test.alter(w, &vm)
				w.topology.VMs = append(w.topology.VMs, vm)
				found := strings.Join(findings(w.examine(t), doctor.Error), "\n")
				if drifted := strings.HasPrefix(found, "error: vms: VM one (9100) is not what the spec asks for: cores is 1, wanted 2;"); drifted != test.drift || (!test.drift && found != "") {
					t.Errorf("findings %q, want drift %v", found, test.drift)
				}
			})
		})
	}
}
