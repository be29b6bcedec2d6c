package change

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/plan"
	"labctl/pkg/pve"
)

// shelf is where one node keeps VM disks, and what lay there before anything was removed.
type shelf struct {
	storages []string // that hold VM disks and answer
	away     []string // that hold VM disks, are enabled and do not answer
	volumes  []pve.Volume
}

// shelves are those of every node that a removal has to do with. Destroying a VM with its unreferenced disks frees volumes
// by name on all storages, whoever uses them (pve-api lab-findings §27), so what has such a name is looked at before.
type shelves struct {
	look func(ctx context.Context, node string) (shelf, error)

	mu   sync.Mutex
	seen map[string]shelf
}

// fill looks at every node of the plan. One that does not answer, or where no VM is any more, does not keep the others from being
// cleared (it may have left the cluster): whoever needs its shelf asks for it again, and fails alone.
func (s *shelves) fill(ctx context.Context, todo plan.Plan) error {
	for _, sequence := range todo.Sequences {
		if _, err := s.of(ctx, sequence.Node); err != nil && sequence.Exists && !inventory.NodeSilent(err) {
			return err
		}
		for _, node := range sequence.Formerly {
			_, _ = s.of(ctx, node)
		}
	}
	return context.Cause(ctx)
}

// of returns the shelf of a node, which is looked at once.
func (s *shelves) of(ctx context.Context, node string) (shelf, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one, done := s.seen[node]; done {
		return one, nil
	}
	one, err := s.look(ctx, node)
	if err != nil {
		return shelf{}, err
	}
	if s.seen == nil {
		s.seen = map[string]shelf{}
	}
	s.seen[node] = one
	return one, nil
}

func (e *Executor) shelf(ctx context.Context, node string) (shelf, error) {
	storages, err := e.API.Storages(ctx, node)
	if err != nil {
		return shelf{}, fmt.Errorf("listing the storages of node %s: %w", node, err)
	}
	one := shelf{storages: holdingImages(storages, true), away: holdingImages(storages, false)}
	e.tellAway(node, one)
	one.volumes, err = e.volumes(ctx, pve.VMRef{Node: node}, one.storages)
	return one, err
}

// holdingImages names the storages that can hold VM disks and answer, or do not.
func holdingImages(storages []pve.Storage, active bool) []string {
	var names []string
	for _, storage := range storages {
		if slices.Contains(storage.Content, "images") && storage.Enabled && storage.Active == active {
			names = append(names, storage.Name)
		}
	}
	return names
}

// volumes lists what the storages hold under the VMID, or everything that the token may see when it is 0.
func (e *Executor) volumes(ctx context.Context, ref pve.VMRef, storages []string) ([]pve.Volume, error) {
	var all []pve.Volume
	for _, storage := range storages {
		volumes, err := e.API.Volumes(ctx, ref.Node, storage, ref.ID)
		if err != nil {
			return nil, fmt.Errorf("listing the volumes on storage %s: %w", storage, err)
		}
		all = append(all, volumes...)
	}
	return all, nil
}

// under is what lay under a VMID.
func (s shelf) under(id pve.VMID) []pve.Volume {
	return slices.DeleteFunc(slices.Clone(s.volumes), func(volume pve.Volume) bool { return volume.VMID != id })
}
