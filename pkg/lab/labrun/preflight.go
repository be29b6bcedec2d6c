package labrun

import (
	"context"

	"labctl/pkg/lab/doctor"
	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/plan"
)

// preconditions asks everything that has to be so before a VM is made, and refuses the lab in the words of `labctl doctor`.
func (r *Run) preconditions(ctx context.Context, observed inventory.Observed) (*doctor.Facts, error) {
	input := doctor.Input{
		Lab: r.Lab, API: r.Server.API, URL: r.Server.URL, TokenID: r.Server.TokenID, Resources: observed.Resources,
		Known: r.scope().Known, Unfinished: true, Surroundings: r.Server.Around,
	}
	for _, vm := range observed.VMs {
		input.Up = append(input.Up, doctor.UpVM{Name: vm.Mark.VM, Ref: vm.Ref})
	}
	facts, err := doctor.Look(ctx, input)
	if err != nil {
		return nil, err
	}
	return facts, facts.Report().Refusal()
}

// wantedFor is what a plan is made from. When no VM has to be made, nothing is asked of the server.
func (r *Run) wantedFor(ctx context.Context, observed inventory.Observed) (plan.Wanted, error) {
	wanted := plan.Wanted{Lab: r.Lab, Observed: observed, IsReady: r.isReady(observed), SeedFile: r.seedFile, MAC: r.seedMAC}
	if plan.Missing(r.Lab, observed) == 0 {
		return wanted, nil
	}
	facts, err := r.preconditions(ctx, observed)
	if err != nil {
		return wanted, err
	}
	wanted.Templates = facts.Templates()
	free, err := facts.FreeVMIDs()
	wanted.VMIDs = numbers(free)
	return wanted, err
}
