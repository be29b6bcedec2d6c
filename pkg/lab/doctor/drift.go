package doctor

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/plan"
	"labctl/pkg/labspec"
	"labctl/pkg/pve"
)

// lookAtUp reads the VMs of the lab that run, and compares them with the spec. A VMID without the lab's mark is no VM of
// it any more.
func (s *seen) lookAtUp(ctx context.Context) {
	s.drifts = make([]error, len(s.Up))
	var wait sync.WaitGroup
	for i, up := range s.Up {
		at := slices.IndexFunc(s.Lab.VMs, func(vm labspec.VM) bool { return vm.Name == up.Name })
		is := slices.IndexFunc(s.resources.value, func(r pve.Resource) bool { return r.VMID == up.Ref.ID })
		if at < 0 || is < 0 || s.Unfinished {
			continue
		}
		ref := pve.VMRef{Node: s.resources.value[is].Node, ID: up.Ref.ID}
		wait.Go(func() { s.drifts[i] = s.driftOf(ctx, s.Lab.VMs[at], ref) })
	}
	wait.Wait()
}

// driftOf is nil for a VM that does not run, since `up` configures it anew, and for one that may not be read, which is said
// elsewhere. The list of VMs tells late what runs.
func (s *seen) driftOf(ctx context.Context, vm labspec.VM, ref pve.VMRef) error {
	status, err := s.API.VMStatus(ctx, ref)
	if err != nil || !status.Running() {
		return nil
	}
	config, err := s.API.VMConfig(ctx, ref)
	if err != nil {
		return nil
	}
	mark, ok := inventory.ParseMark(config.Description())
	if !ok || mark.Lab != s.Lab.Name || mark.VM != vm.Name {
		return nil
	}
	return plan.DriftWhenUp(s.Lab, vm, int(ref.ID), config)
}

// checkVMs tells of VMs of the lab that are not what the spec asks for: neither `up` nor `bench` takes them.
func checkVMs(s *seen) (string, []Finding) {
	if s.Unfinished {
		return "another labctl is at work on the lab", nil
	}
	var findings []Finding
	for _, drift := range s.drifts {
		if drift != nil {
			findings = append(findings, Finding{Severity: Error, Problem: drift.Error()})
		}
	}
	return fmt.Sprintf("%d of %d exist", len(s.Up), len(s.Lab.VMs)), findings
}
