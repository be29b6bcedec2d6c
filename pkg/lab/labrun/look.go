package labrun

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"labctl/pkg/lab/inventory"
	"labctl/pkg/pve"
)

// configsAtOnce is how many VMs are read side by side.
const configsAtOnce = 8

// look is one look at all nodes of a server. A node that does not answer does not hide the others.
type look struct {
	api API

	mu     sync.Mutex
	missed []error
}

// miss takes note of what could not be looked at.
func (l *look) miss(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.missed = append(l.missed, err)
}

// everything reads all VMs and uploads that carry a mark.
func (l *look) everything(ctx context.Context) ([]inventory.VM, []inventory.Upload, error) {
	nodes, err := l.api.Nodes(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("listing nodes: %w", err)
	}
	resources, err := l.api.Resources(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("listing VMs: %w", err)
	}
	vms := slices.DeleteFunc(slices.Clone(resources), func(r pve.Resource) bool { return r.Type != "qemu" })
	for _, node := range nodes {
		if node.Status != "offline" {
			continue
		}
		all := len(vms)
		vms = slices.DeleteFunc(vms, func(r pve.Resource) bool { return r.Node == node.Name })
		l.miss(fmt.Errorf("node %s is offline: its storages and %d VMs that are on it were not looked at: run `labctl gc` again when it is back", node.Name, all-len(vms)))
	}
	marked := l.marked(ctx, vms)
	uploads := l.uploads(ctx, nodes)
	return marked, uploads, context.Cause(ctx)
}

// marked reads the configuration of every VM and keeps those that carry a mark. The list's names and tags lag, and a
// clone has its template's tags at first, so nothing but the configuration decides.
func (l *look) marked(ctx context.Context, resources []pve.Resource) []inventory.VM {
	slots := make(chan struct{}, configsAtOnce)
	read := make([]*inventory.VM, len(resources))
	var wait sync.WaitGroup
	for i, resource := range resources {
		wait.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			var err error
			if read[i], err = inventory.ReadMarked(ctx, l.api, resource); err != nil {
				l.miss(err)
			}
		})
	}
	wait.Wait()
	var vms []inventory.VM
	for _, vm := range read {
		if vm != nil {
			vms = append(vms, *vm)
		}
	}
	return vms
}

// uploads lists the uploads on every node. A storage that all nodes share shows on each.
func (l *look) uploads(ctx context.Context, nodes []pve.Node) []inventory.Upload {
	var all []inventory.Upload
	for _, node := range nodes {
		if node.Status == "offline" {
			continue
		}
		uploads, err := inventory.FindUploads(ctx, l.api, node.Name)
		if err != nil {
			l.miss(err)
		}
		all = append(all, uploads...)
	}
	return all
}
