// Package inventory tells what exists on PVE and what of it is ours: it reads, and never changes anything.
package inventory

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"labctl/pkg/pve"
)

// API is what the inventory reads from PVE.
type API interface {
	Resources(ctx context.Context) ([]pve.Resource, error)
	VMConfig(ctx context.Context, vm pve.VMRef) (pve.VMConfig, error)
	VMStatus(ctx context.Context, vm pve.VMRef) (pve.VMStatus, error)
	VMIDTaken(ctx context.Context, id pve.VMID) (bool, error)
}

// Scope says where to look.
type Scope struct {
	Self  Self
	Node  string
	Pool  string
	First pve.VMID    // the lab's VMID range
	Last  pve.VMID    // inclusive
	Known []pve.VMRef // VMIDs that the journal speaks of
	Avoid []pve.VMID  // VMIDs under which somebody's disks lie, though no VM has them
}

// Config is a VM's configuration, under a name for those who plan and do not know the client.
type Config = pve.VMConfig

// VM is a VM that carries this lab's mark.
type VM struct {
	Ref     pve.VMRef
	Mark    Mark
	Config  Config
	Running bool
	ByHA    bool // HA starts and stops it
}

// Observed is what exists at one moment.
type Observed struct {
	VMs        []VM           // of this lab, by VMID: of this run or a dead one
	Live       []VM           // of this lab and this owner, by VMID: of runs of other state directories whose time is not over
	Others     []VM           // of labs with the same name that somebody else owns
	Resources  []pve.Resource // everything that the token may see
	Gone       []pve.VMRef    // known to the journal or just seen, and no VM has the VMID any more; each VMID once
	Foreign    []VM           // known to the journal, and the VM there does not carry a mark by which it is this lab's
	Unreadable []pve.VMRef    // known to the journal, exists, and the token may not read it
	// Unreachable are VMs that may be this lab's, on nodes that do not answer.
	Unreachable []pve.VMRef

	moved  bool     // a VM was not where the list has it
	silent []string // nodes that do not answer
}

// VM returns the lab's VM with that name in the spec.
func (o Observed) VM(name string) (VM, bool) {
	at := slices.IndexFunc(o.VMs, func(vm VM) bool { return vm.Mark.VM == name })
	if at < 0 {
		return VM{}, false
	}
	return o.VMs[at], true
}

// Observe reads what exists in the scope. Names and states in the cluster's list lag by seconds, so every candidate's own
// configuration and status are read (pve-api notes §70). A VM that is not any more where the list has it was destroyed or
// moved to another node meanwhile: then everything is looked at once more.
func Observe(ctx context.Context, api API, scope Scope) (Observed, error) {
	observed, err := observe(ctx, api, scope)
	if err == nil && observed.moved {
		observed, err = observe(ctx, api, scope)
	}
	return observed, err
}

func observe(ctx context.Context, api API, scope Scope) (Observed, error) {
	resources, err := api.Resources(ctx)
	if err != nil {
		return Observed{}, fmt.Errorf("listing VMs: %w", err)
	}
	observed := Observed{Resources: resources}
	for _, ref := range candidates(scope, resources) {
		if err := observed.look(ctx, api, scope, ref); err != nil {
			return Observed{}, err
		}
	}
	return observed, nil
}

// candidates are the VMIDs worth reading: what the journal knows, and what the list shows in our pool, range or with our tag.
func candidates(scope Scope, resources []pve.Resource) []pve.VMRef {
	refs := slices.Clone(scope.Known)
	for _, resource := range resources {
		mine := slices.Contains(resource.Tags, Tag) || (scope.Pool != "" && resource.Pool == scope.Pool) ||
			(resource.VMID >= scope.First && resource.VMID <= scope.Last)
		if !mine || resource.Template {
			continue
		}
		ref := pve.VMRef{Node: resource.Node, ID: resource.VMID}
		refs = slices.DeleteFunc(refs, func(known pve.VMRef) bool { return known.ID == ref.ID }) // the list knows where it is now
		refs = append(refs, ref)
	}
	slices.SortFunc(refs, func(a, b pve.VMRef) int { return int(a.ID - b.ID) })
	return refs
}

// look files one candidate.
func (o *Observed) look(ctx context.Context, api API, scope Scope, ref pve.VMRef) error {
	config, answers, err := o.ask(ctx, api, ref)
	if !answers {
		o.unreached(scope, ref)
		return nil
	}
	if errors.Is(err, pve.ErrNotFound) || errors.Is(err, pve.ErrPermission) {
		o.moved = o.moved || (errors.Is(err, pve.ErrVMNotFound) && o.lists(ref))
		return o.missing(ctx, api, scope, ref)
	}
	if err != nil {
		return fmt.Errorf("reading VM %d: %w", ref.ID, err)
	}
	mark, marked := ParseMark(config.Description())
	vm := VM{Ref: ref, Mark: mark, Config: config}
	if whose := scope.Self.Of(mark, marked, ref.ID); !whose.Removable() {
		return o.notOurs(ctx, api, scope, vm, whose)
	}
	status, err := api.VMStatus(ctx, ref)
	if NodeSilent(err) {
		o.Unreachable = append(o.Unreachable, ref)
		return nil
	}
	if errors.Is(err, pve.ErrNotFound) || errors.Is(err, pve.ErrPermission) {
		o.moved = o.moved || errors.Is(err, pve.ErrVMNotFound)
		return o.vanished(ctx, api, ref) // destroyed since, by a task that an earlier process began
	}
	if err != nil {
		return fmt.Errorf("reading the status of VM %d: %w", ref.ID, err)
	}
	vm.Running, vm.ByHA = status.Running(), status.HAManaged
	o.VMs = append(o.VMs, vm)
	return nil
}

// notOurs files a VM that must not be removed: of a lab of the same name, or where the journal has one of ours. A copy of a
// lab's VM is neither. Whether one that the journal knows runs is read too, since a person may say that it is ours.
func (o *Observed) notOurs(ctx context.Context, api API, scope Scope, vm VM, whose Whose) error {
	switch {
	case whose == OfLiveRun:
		o.Live = append(o.Live, vm)
	case whose == OfOthers && vm.Mark.Lab == scope.Self.Lab && vm.Mark.Of(vm.Ref.ID):
		o.Others = append(o.Others, vm)
	}
	if !isKnown(scope, vm.Ref) {
		return nil
	}
	status, err := api.VMStatus(ctx, vm.Ref)
	if err == nil {
		vm.Running, vm.ByHA = status.Running(), status.HAManaged
	}
	o.Foreign = append(o.Foreign, vm)
	return context.Cause(ctx)
}

// lists says whether the cluster's list has the VM on that node.
func (o *Observed) lists(ref pve.VMRef) bool {
	return slices.ContainsFunc(o.Resources, func(r pve.Resource) bool { return r.VMID == ref.ID && r.Node == ref.Node })
}

// missing files a VMID whose configuration cannot be read: gone, or there but not for this token. Only nextid tells
// the two apart without a privilege (pve-api lab-findings §8).
func (o *Observed) missing(ctx context.Context, api API, scope Scope, ref pve.VMRef) error {
	if !isKnown(scope, ref) {
		return nil
	}
	return o.vanished(ctx, api, ref)
}

// vanished files a VMID that is, or was a moment ago, a VM of this lab.
func (o *Observed) vanished(ctx context.Context, api API, ref pve.VMRef) error {
	taken, err := api.VMIDTaken(ctx, ref.ID)
	if err != nil {
		return fmt.Errorf("looking up VMID %d: %w", ref.ID, err)
	}
	isSame := func(gone pve.VMRef) bool { return gone.ID == ref.ID } // it was on several nodes: only the journal tells on which
	switch {
	case taken:
		o.Unreadable = append(o.Unreadable, ref)
	case !slices.ContainsFunc(o.Gone, isSame):
		o.Gone = append(o.Gone, ref)
	}
	return nil
}

func isKnown(scope Scope, ref pve.VMRef) bool {
	return slices.ContainsFunc(scope.Known, func(known pve.VMRef) bool { return known.ID == ref.ID })
}

// ReadMarked reads a VM of the cluster's list and returns it when it carries an owner mark, whoever's. It returns nil for
// one without a mark, one that is gone or moved by now, and one that the token may not read. A template is nobody's lab.
func ReadMarked(ctx context.Context, api API, resource pve.Resource) (*VM, error) {
	ref := pve.VMRef{Node: resource.Node, ID: resource.VMID}
	config, err := api.VMConfig(ctx, ref)
	if errors.Is(err, pve.ErrNotFound) || errors.Is(err, pve.ErrPermission) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading VM %d: %w", ref.ID, err)
	}
	mark, ok := ParseMark(config.Description())
	if !ok || !mark.Of(ref.ID) {
		return nil, nil
	}
	if mark.Pool == "" {
		mark.Pool = resource.Pool
	}
	return &VM{Ref: ref, Mark: mark, Config: config}, nil
}
