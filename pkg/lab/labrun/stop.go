package labrun

import (
	"context"

	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/plan"
)

// Stop stops a VM of the lab; one that is off already stays off. `up` starts it again.
func (r *Run) Stop(ctx context.Context, vm inventory.VM) error {
	return r.executor().Down(ctx, plan.Plan{Lab: r.Lab.Name, Sequences: []plan.Sequence{{
		VM: vm.Mark.VM, Node: vm.Ref.Node, VMID: int(vm.Ref.ID), Exists: true, Steps: []plan.Step{plan.Stop{ByHA: vm.ByHA}},
	}}})
}
