package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/plan"
	"labctl/pkg/labspec"
	"labctl/pkg/pve"
)

func vmidsPreconditions() []precondition {
	return []precondition{
		{id: "vmids-free", asks: "enough VMIDs of the range are free", find: vmidsFree},
		{id: "vmids-clean", asks: "no disks of VMs that are gone lie under them, as far as the token sees; `up` takes others", find: vmidsClean},
	}
}

func vmidsDetail(f *Facts) string {
	var ids []string
	for _, id := range f.vmids.value {
		ids = append(ids, id.String())
	}
	switch len(ids) {
	case 0:
		return "the lab's VMs exist already"
	case 1:
		return ids[0] + " is free"
	}
	return strings.Join(ids, ", ") + " are free"
}

func vmidsFree(f *Facts, _ *nodeFacts) []Finding {
	if f.resources.err != nil {
		return unread("the list of VMs", f.resources.err)
	}
	if f.vmids.err != nil {
		return []Finding{failure(f.vmids.err)}
	}
	return nil
}

// vmidsClean tells of the VMIDs that are passed over because of disks that lie there, up to the last one that is taken.
func vmidsClean(f *Facts, _ *nodeFacts) []Finding {
	if len(f.vmids.value) == 0 {
		return nil
	}
	orphans := f.orphans()
	var findings []Finding
	for id := pve.VMID(f.Lab.VMIDs.First); id < f.vmids.value[len(f.vmids.value)-1]; id++ {
		if volumes := orphans[id]; len(volumes) > 0 {
			findings = append(findings, problem(Note, "VMID %d is passed over: no VM has it, and %s lies under it", id, strings.Join(volumes, ", ")))
		}
	}
	return findings
}

func vmsPreconditions() []precondition {
	return []precondition{{id: "vms-as-asked", asks: "the VMs of the lab that run are as the spec asks", find: vmsAsAsked}}
}

func vmsDetail(f *Facts) string {
	if f.Unfinished {
		return "another labctl is at work on the lab"
	}
	return fmt.Sprintf("%d of %d exist", f.existing(), len(f.Lab.VMs))
}

// vmsAsAsked tells of VMs of the lab that are not what the spec asks for: neither `up` nor `bench` takes them.
func vmsAsAsked(f *Facts, _ *nodeFacts) []Finding {
	var findings []Finding
	for _, drift := range f.drifts {
		if drift != nil {
			findings = append(findings, failure(drift))
		}
	}
	return findings
}

// lookAtUp reads the VMs of the lab that run, and compares them with the spec. A VMID without the lab's mark is no VM of
// it any more.
func (f *Facts) lookAtUp(ctx context.Context) {
	f.drifts = make([]error, len(f.Up))
	var wait sync.WaitGroup
	for i, up := range f.Up {
		at := slices.IndexFunc(f.Lab.VMs, func(vm labspec.VM) bool { return vm.Name == up.Name })
		is := slices.IndexFunc(f.resources.value, func(r pve.Resource) bool { return r.VMID == up.Ref.ID })
		if at < 0 || is < 0 || f.Unfinished {
			continue
		}
		ref := pve.VMRef{Node: f.resources.value[is].Node, ID: up.Ref.ID}
		wait.Go(func() { f.drifts[i] = f.driftOf(ctx, f.Lab.VMs[at], ref) })
	}
	wait.Wait()
}

// driftOf is nil for a VM that does not run, since `up` configures it anew, and for one that may not be read, which is said
// elsewhere. The list of VMs tells late what runs.
func (f *Facts) driftOf(ctx context.Context, vm labspec.VM, ref pve.VMRef) error {
	status, err := f.API.VMStatus(ctx, ref)
	if err != nil || !status.Running() {
		return nil //nolint:nilerr // another check says so
	}
	config, err := f.API.VMConfig(ctx, ref)
	if err != nil {
		return nil //nolint:nilerr // another check says so
	}
	mark, ok := inventory.ParseMark(config.Description())
	if !ok || mark.Lab != f.Lab.Name || mark.VM != vm.Name {
		return nil
	}
	return plan.DriftWhenUp(f.Lab, vm, int(ref.ID), config)
}
