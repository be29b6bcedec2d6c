package change

import (
	"context"
	"errors"
	"fmt"

	"labctl/pkg/lab/plan"
	"labctl/pkg/pve"
)

// readStarted reads back what a VM was started with, compares, and keeps what it has from its template. A VM that HA starts
// may not run yet, and one that somebody moved meanwhile is looked for by who waits for it.
func (e *Executor) readStarted(ctx context.Context, vm *VM) error {
	status, err := e.API.VMStatus(ctx, vm.Ref)
	if errors.Is(err, pve.ErrVMNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the status of VM %s (%d): %w", vm.Spec.Name, vm.Ref.ID, err)
	}
	if status.HAManaged && !status.Running() {
		return nil
	}
	config, err := e.API.PendingConfig(ctx, vm.Ref)
	if err != nil {
		return fmt.Errorf("reading what VM %s (%d) runs with: %w", vm.Spec.Name, vm.Ref.ID, err)
	}
	err = plan.DriftWhenStarted(e.Lab, vm.Spec, int(vm.Ref.ID), plan.Running{
		Config: config.Current, Waiting: config.Waiting, CPUs: status.CPUs, MemoryBytes: status.MemoryBytes, State: status.QMPStatus,
	})
	facts := plan.InheritedFacts(e.Lab, config.Current)
	if err != nil || len(facts) == 0 {
		return err
	}
	return e.Journal.Learn(vm.Spec.Name, facts)
}
