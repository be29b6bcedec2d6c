package inventory

import (
	"context"
	"errors"
	"fmt"
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
	storages, err := api.Storages(ctx, node)
	if err != nil {
		return Template{}, fmt.Errorf("listing the storages of node %s: %w", node, err)
	}
	for _, drive := range template.Config.Drives() {
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
