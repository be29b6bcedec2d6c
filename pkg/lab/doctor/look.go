package doctor

import (
	"context"
	"errors"
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

// seen is everything that was read, at one moment.
type seen struct {
	Patient
	asked     time.Time // by this machine's clock
	version   answer[pve.Version]
	nodes     answer[[]pve.Node]
	pools     answer[[]pve.Pool]
	storages  answer[[]pve.Storage]
	configs   answer[[]pve.StorageConfig]
	bridges   answer[[]pve.Bridge]
	resources answer[[]pve.Resource]
	template  answer[inventory.Template]
	status    answer[pve.VMStatus] // the template's
	missing   answer[grants.List]
	vmids     answer[[]pve.VMID]
	elsewhere []otherNode
	addresses []address
	others    []otherVM
	drifts    []error // of the VMs that are up, or nil
	host      answer[map[string]string]
}

// look asks everything, side by side where one answer does not depend on another. The server's own node and version come
// first: without them the rest would only repeat the same failure.
func (p Patient) look(ctx context.Context) *seen {
	s := &seen{Patient: p}
	var wait sync.WaitGroup
	wait.Go(func() { s.lookAtAddresses(ctx) })
	wait.Go(func() { s.lookAtHost(ctx) })
	s.asked = time.Now()
	if p.Unasked != nil {
		s.version.err = errors.New(p.Unasked.Problem)
	} else {
		ask(ctx, &s.version, p.API.Version)
	}
	if s.version.err == nil {
		wait.Go(func() { ask(ctx, &s.nodes, p.API.Nodes) })
		wait.Go(func() { ask(ctx, &s.pools, p.API.Pools) })
		wait.Go(func() { ask(ctx, &s.configs, p.API.StorageConfigs) })
		wait.Go(func() { ask(ctx, &s.storages, p.onNode(p.API.Storages)) })
		wait.Go(func() { s.bridges.value, s.bridges.err = p.API.Bridges(ctx, p.Lab.Node) })
		wait.Go(func() { s.lookAtVMs(ctx, &wait) })
	}
	wait.Wait()
	return s
}

func ask[T any](ctx context.Context, to *answer[T], question func(context.Context) (T, error)) {
	to.value, to.err = question(ctx)
}

// onNode asks about the lab's node.
func (p Patient) onNode(question func(context.Context, string) ([]pve.Storage, error)) func(context.Context) ([]pve.Storage, error) {
	return func(ctx context.Context) ([]pve.Storage, error) { return question(ctx, p.Lab.Node) }
}

// lookAtVMs reads the list of VMs and what follows from it: the template, the privileges that the template makes
// necessary, the VMIDs, and who has which address.
func (s *seen) lookAtVMs(ctx context.Context, wait *sync.WaitGroup) {
	if ask(ctx, &s.resources, s.API.Resources); s.resources.err != nil {
		return
	}
	observed := inventory.Observed{Resources: s.resources.value}
	wait.Go(func() { s.vmids.value, s.vmids.err = s.freeVMIDs(ctx, observed) })
	wait.Go(func() { s.lookAtOthers(ctx) })
	wait.Go(func() { s.lookAtUp(ctx) })
	wait.Go(func() { s.lookAtNodes(ctx, observed) })
	id, name := s.Lab.Template.On(s.Lab.Node)
	s.template.value, s.template.err = observed.FindTemplateFor(ctx, s.API, s.Lab.Node, pve.VMID(id), name)
	if s.template.err == nil {
		wait.Go(func() { s.status.value, s.status.err = s.API.VMStatus(ctx, s.template.value.Ref) })
	}
	s.missing.value, s.missing.err = s.needs().Missing(ctx, s.API)
}

// needs are the privileges for the template that was found, or for one as labctl builds it.
func (s *seen) needs() grants.Needs {
	return Needs(s.Lab, s.Lab.Node, s.template.value, s.template.err, s.version.value.Major)
}

// Needs are the privileges of a lab on a node, whether the template there was found, or is hidden from the token, or does
// not exist.
func Needs(lab *labspec.Lab, node string, template inventory.Template, templateErr error, major int) grants.Needs {
	needs := grants.Of(lab, template, major)
	if id, _ := lab.Template.On(node); templateErr != nil && id != 0 {
		needs.Template = id
	}
	var problem *inventory.TemplateError
	if errors.As(templateErr, &problem) && problem.Absent {
		return needs.WithoutTemplate()
	}
	return needs
}

// lacks says that the token was found to lack a privilege on the path, which explains why something is not seen.
func (s *seen) lacks(path string, privileges ...string) bool {
	for _, grant := range s.missing.value {
		for _, privilege := range privileges {
			if grant.Path == path && grant.Privilege == privilege {
				return true
			}
		}
	}
	return false
}

// freeVMIDs are those that `up` would take.
func (s *seen) freeVMIDs(ctx context.Context, observed inventory.Observed) ([]pve.VMID, error) {
	scope := inventory.Scope{First: pve.VMID(s.Lab.VMIDs.First), Last: pve.VMID(s.Lab.VMIDs.Last)}
	for _, vm := range s.Up {
		scope.Known = append(scope.Known, vm.Ref)
	}
	return observed.FreeVMIDs(ctx, s.API, scope, max(len(s.Lab.VMs)-len(s.Up), 0))
}

func (s *seen) lookAtHost(ctx context.Context) {
	if s.HostFacts != nil {
		ask(ctx, &s.host, s.HostFacts)
	}
}

// isUp says that the VM of the spec exists.
func (s *seen) isUp(vm labspec.VM) bool {
	for _, up := range s.Up {
		if up.Name == vm.Name {
			return true
		}
	}
	return false
}
