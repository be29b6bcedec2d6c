package doctor

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"labctl/pkg/lab/grants"
	"labctl/pkg/lab/inventory"
	"labctl/pkg/labspec"
	"labctl/pkg/pve"
)

// answer is what a question brought.
type answer[T any] struct {
	value T
	err   error
}

// Facts are everything that was read, at one moment.
type Facts struct {
	Input
	asked     time.Time // by this machine's clock
	version   answer[pve.Version]
	nodes     answer[[]pve.Node]
	pools     answer[[]pve.Pool]
	configs   answer[[]pve.StorageConfig]
	resources answer[[]pve.Resource]
	perNode   []*nodeFacts
	vmids     answer[[]pve.VMID]
	addresses []address
	others    []otherVM
	drifts    []error // of the VMs that are up, or nil
	host      answer[map[string]string]
	machine   []Finding
}

// nodeFacts are what one node of the lab has to make VMs from.
type nodeFacts struct {
	name     string
	storages answer[[]pve.Storage]
	bridges  answer[[]pve.Bridge]
	template answer[inventory.Template]
	status   answer[pve.VMStatus] // the template's
	missing  answer[grants.List]
	volumes  []pve.Volume // on the lab's storages, as far as the token sees them
}

// Examine looks and reports. It fails only when ctx ends; whatever the server refuses is a finding.
func Examine(ctx context.Context, input Input) (Report, error) {
	facts, err := Look(ctx, input)
	if err != nil {
		return Report{}, err
	}
	return facts.Report(), nil
}

// Look reads everything, side by side where one answer does not depend on another. The server's version comes first:
// without it the rest would only repeat the same failure. It fails only when ctx ends.
func Look(ctx context.Context, input Input) (*Facts, error) {
	f := &Facts{Input: input}
	for _, name := range nodesOf(input.Lab) {
		f.perNode = append(f.perNode, &nodeFacts{name: name})
	}
	var wait sync.WaitGroup
	wait.Go(func() { f.lookAtAddresses(ctx) })
	wait.Go(func() { f.lookAtSurroundings(ctx) })
	f.asked = time.Now()
	if input.Unasked != nil {
		f.version.err = errors.New(input.Unasked.Problem)
	} else {
		ask(ctx, &f.version, input.API.Version)
	}
	if f.version.err == nil {
		wait.Go(func() { f.lookAtServer(ctx) })
	}
	wait.Wait()
	return f, context.Cause(ctx)
}

// nodesOf are the nodes that get VMs, the lab's own first when it is one.
func nodesOf(lab *labspec.Lab) []string {
	nodes := lab.Nodes()
	if at := slices.Index(nodes, lab.Node); at > 0 {
		nodes = slices.Insert(slices.Delete(slices.Clone(nodes), at, at+1), 0, lab.Node)
	}
	return nodes
}

func ask[T any](ctx context.Context, to *answer[T], question func(context.Context) (T, error)) {
	to.value, to.err = question(ctx)
}

// askNode asks about a node.
func askNode[T any](ctx context.Context, node string, to *answer[T], question func(context.Context, string) (T, error)) {
	to.value, to.err = question(ctx, node)
}

func (f *Facts) lookAtServer(ctx context.Context) {
	var wait sync.WaitGroup
	wait.Go(func() { ask(ctx, &f.nodes, f.API.Nodes) })
	wait.Go(func() { ask(ctx, &f.pools, f.API.Pools) })
	wait.Go(func() { ask(ctx, &f.configs, f.API.StorageConfigs) })
	for _, node := range f.perNode {
		wait.Go(func() { askNode(ctx, node.name, &node.storages, f.API.Storages) })
		wait.Go(func() { askNode(ctx, node.name, &node.bridges, f.API.Bridges) })
	}
	var volumes sync.WaitGroup
	for _, node := range f.perNode {
		volumes.Go(func() { f.lookAtVolumes(ctx, node) })
	}
	wait.Go(func() {
		if f.resources.value = f.Resources; f.Resources == nil {
			ask(ctx, &f.resources, f.API.Resources)
		}
		if f.resources.err != nil {
			return
		}
		wait.Go(func() { f.lookAtOthers(ctx) })
		wait.Go(func() { f.lookAtUp(ctx) })
		for _, node := range f.perNode {
			wait.Go(func() { f.lookAtTemplate(ctx, node) })
		}
		volumes.Wait()
		f.vmids.value, f.vmids.err = f.freeVMIDs(ctx)
	})
	wait.Wait()
	volumes.Wait()
}

// lookAtTemplate finds the node's template, and what privileges the token lacks to make VMs of it.
func (f *Facts) lookAtTemplate(ctx context.Context, node *nodeFacts) {
	id, name := f.Lab.Template.On(node.name)
	observed := inventory.Observed{Resources: f.resources.value}
	node.template.value, node.template.err = observed.FindTemplateFor(ctx, f.API, node.name, pve.VMID(id), name)
	var wait sync.WaitGroup
	if node.template.err == nil {
		wait.Go(func() { node.status.value, node.status.err = f.API.VMStatus(ctx, node.template.value.Ref) })
	}
	node.missing.value, node.missing.err = f.needs(node).Missing(ctx, f.API)
	wait.Wait()
}

// lookAtVolumes lists what lies on the lab's storages. A storage that cannot be listed tells nothing.
func (f *Facts) lookAtVolumes(ctx context.Context, node *nodeFacts) {
	for _, storage := range f.Lab.StoragesOn(node.name) {
		if volumes, err := f.API.Volumes(ctx, node.name, storage, 0); err == nil {
			node.volumes = append(node.volumes, volumes...)
		}
	}
}

// needs are the privileges for the template that was found, or for one that is hidden from the token, or for one as labctl
// builds it.
func (f *Facts) needs(node *nodeFacts) grants.Needs {
	version := f.version.value
	needs := grants.Of(f.Lab, node.template.value, version.Major)
	if version.AtLeast(9, 2) {
		needs = needs.WithCPUModel(node.template.value.Config)
	}
	if id, _ := f.Lab.Template.On(node.name); node.template.err != nil && id != 0 {
		needs.Template = id
	}
	var problem *inventory.TemplateError
	if errors.As(node.template.err, &problem) && problem.Absent {
		return needs.WithoutTemplate()
	}
	return needs
}

// lacks says that the token was found to lack a privilege on the path, which explains why something is not seen.
func (n *nodeFacts) lacks(path string, privileges ...string) bool {
	for _, grant := range n.missing.value {
		if grant.Path == path && slices.Contains(privileges, grant.Privilege) {
			return true
		}
	}
	return false
}

// orphans are the volumes under VMIDs of the lab's range that no VM has, by VMID.
func (f *Facts) orphans() map[pve.VMID][]string {
	orphans := map[pve.VMID][]string{}
	for _, node := range f.perNode {
		for _, volume := range node.volumes {
			inRange := volume.VMID >= pve.VMID(f.Lab.VMIDs.First) && volume.VMID <= pve.VMID(f.Lab.VMIDs.Last)
			owned := slices.ContainsFunc(f.resources.value, func(r pve.Resource) bool { return r.VMID == volume.VMID })
			if inRange && !owned && !slices.Contains(orphans[volume.VMID], volume.ID) {
				orphans[volume.VMID] = append(orphans[volume.VMID], volume.ID)
			}
		}
	}
	return orphans
}

// freeVMIDs are those that `up` takes: none under which somebody's disks lie, since PVE names disks after VMIDs, and its
// destroy removes all that are named after one.
func (f *Facts) freeVMIDs(ctx context.Context) ([]pve.VMID, error) {
	scope := inventory.Scope{
		First: pve.VMID(f.Lab.VMIDs.First), Last: pve.VMID(f.Lab.VMIDs.Last), Known: slices.Clone(f.Known),
		Avoid: slices.Sorted(maps.Keys(f.orphans())),
	}
	for _, vm := range f.Up {
		scope.Known = append(scope.Known, vm.Ref)
	}
	return inventory.Observed{Resources: f.resources.value}.FreeVMIDs(ctx, f.API, scope, len(f.Lab.VMs)-f.existing())
}

// FreeVMIDs are those that the VMs that do not exist yet are to get.
func (f *Facts) FreeVMIDs() ([]pve.VMID, error) { return f.vmids.value, f.vmids.err }

// Templates are those that were found, by the node that VMs are to be made on.
func (f *Facts) Templates() map[string]inventory.Template {
	templates := map[string]inventory.Template{}
	for _, node := range f.perNode {
		if node.hasTemplate() {
			templates[node.name] = node.template.value
		}
	}
	return templates
}

// lookAtSurroundings asks the lab's host and this machine.
func (f *Facts) lookAtSurroundings(ctx context.Context) {
	if f.Lab.Host != nil && f.HostFacts != nil {
		f.host.value, f.host.err = f.HostFacts(ctx, *f.Lab.Host)
	}
	if f.Machine != nil {
		f.machine = f.Machine(ctx)
	}
}

// isUp says that the VM of the spec exists. VMIDs that the journal speaks of may be gone.
func (f *Facts) isUp(vm labspec.VM) bool {
	return slices.ContainsFunc(f.Up, func(up UpVM) bool {
		return up.Name == vm.Name && slices.ContainsFunc(f.resources.value, func(r pve.Resource) bool { return r.VMID == up.Ref.ID })
	})
}

// existing counts the VMs of the spec that exist.
func (f *Facts) existing() int {
	n := 0
	for _, vm := range f.Lab.VMs {
		if f.isUp(vm) {
			n++
		}
	}
	return n
}
