package vmtemplate_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"labctl/pkg/lab/change"
	"labctl/pkg/pvesim"
)

// PVE took the VMID for the template and did not make the VM: it is told as left, by this build and the next, with what root types.
func TestAHalfMadeTemplateIsTold(t *testing.T) {
	onBothMajors(t, func(t *testing.T, major int) {
		w := newWorld(t, major, nil)
		w.cluster.SetFaults(pvesim.Faults{Faults: []pvesim.Fault{{
			Request: &pvesim.RequestMatch{Method: "POST", Path: "/nodes/*/qemu"}, Do: pvesim.Action{NoWorker: true},
		}}})
		for _, build := range []string{"the build", "the next one"} {
			_, err := w.builder().Build(t.Context(), wanted())
			var left *change.LeftoverError
			if !errors.As(err, &left) || left.Ref.ID != 9001 {
				t.Fatalf("%s: %v", build, err)
			}
			if !slices.ContainsFunc(left.Commands(), func(c string) bool { return strings.HasPrefix(c, "qm unlock 9001; ") }) {
				t.Errorf("%s tells root: %q", build, left.Commands())
			}
			if vm, there := w.cluster.VM(9001); !there || vm.Config["lock"] != "create" {
				t.Errorf("%s: VM 9001 is %+v, %v", build, vm, there)
			}
		}
	})
}
