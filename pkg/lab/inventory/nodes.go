package inventory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"labctl/pkg/pve"
)

// TemplateAPI is what finding a template for one node of a cluster needs.
type TemplateAPI interface {
	API
	StorageAPI
}

// FindTemplateFor finds the template to make VMs of a node from: one that is there, or one on another node with all its
// disks on storage that both share. PVE refuses anything else: a linked clone stays with its template, and a clone for
// another node needs shared storage (failure mode 14). The error is a *TemplateError.
func (o Observed) FindTemplateFor(ctx context.Context, api TemplateAPI, node string, id pve.VMID, name string) (Template, error) {
	template, err := o.FindTemplate(ctx, api, node, id, name)
	var problem *TemplateError
	if err == nil || !errors.As(err, &problem) || problem.elsewhere.ID == 0 {
		return template, err
	}
	template, err = readTemplate(ctx, api, problem.elsewhere, *problem)
	if err != nil {
		return Template{}, err
	}
	storages, err := storagesOf(ctx, api, node)
	if err != nil {
		return Template{}, err
	}
	for _, drive := range template.Config.AttachedDrives() {
		storage, _, stored := strings.Cut(drive.Volume, ":")
		if !stored || sharedOn(storages, storage) {
			continue
		}
		problem.Problem = fmt.Sprintf("it is on node %s, and its disk %s is on storage %s, which the two nodes do not share: build a copy there with "+
			"`labctl template build --node %s --vmid VMID`, and name it in template.replicas", problem.elsewhere.Node, drive.Slot, storage, node)
		return Template{}, problem
	}
	return template, nil
}

// sharedOn says whether a node sees the same storage as all others.
func sharedOn(storages []pve.Storage, name string) bool {
	for _, storage := range storages {
		if storage.Name == name {
			return storage.Shared && storage.Enabled && storage.Active
		}
	}
	return false
}

// NodeSilent says whether an error is that of a node that does not answer, though another node of its cluster does:
// pveproxy has statuses of its own for that, 595 to 599.
func NodeSilent(err error) bool {
	var answer *pve.Error
	return errors.As(err, &answer) && answer.Status >= 595 && answer.Status <= 599
}

// ask reads a VM's configuration, unless its node does not answer: it is asked once.
func (o *Observed) ask(ctx context.Context, api API, ref pve.VMRef) (config pve.VMConfig, answers bool, err error) {
	if slices.Contains(o.silent, ref.Node) {
		return config, false, nil
	}
	config, err = api.VMConfig(ctx, ref)
	if NodeSilent(err) {
		o.silent = append(o.silent, ref.Node)
		return config, false, nil
	}
	return config, true, err
}

// unreached files a VM on a node that does not answer, unless the cluster's list shows that it is not this lab's: outside of
// its VMIDs, and with another name than labctl gives.
func (o *Observed) unreached(scope Scope, ref pve.VMRef) {
	strange := func(r pve.Resource) bool {
		inRange := r.VMID >= scope.First && r.VMID <= scope.Last
		return r.VMID == ref.ID && !inRange && r.Name != "" && !strings.HasPrefix(r.Name, scope.Self.Lab+"-")
	}
	if isKnown(scope, ref) || !slices.ContainsFunc(o.Resources, strange) {
		o.Unreachable = append(o.Unreachable, ref)
	}
}

// Unseen is an error when there are VMs that may be this lab's, on nodes that do not answer.
func (o Observed) Unseen() error {
	var all []error
	for _, ref := range o.Unreachable {
		all = append(all, fmt.Errorf("node %s does not answer, and VM %d on it may be of the lab: bring the node back first", ref.Node, ref.ID))
	}
	return errors.Join(all...)
}
