package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"labctl/pkg/journal"
	"labctl/pkg/pve"
)

// probeRounds is how often leftover volumes are removed and looked for again.
const probeRounds = 3

// prove shows that no volume of a destroyed VM is left. A token whose rights come from the pool sees no volume of a VMID
// that has no VM, so an empty VM claims the VMID in our pool for the moment of looking; destroying it frees what is left under that
// VMID's name (pve-api lab-findings §3). The VMID is one that this lab made itself, and its volumes are looked at first.
func (e *Executor) prove(ctx context.Context, name string, ref pve.VMRef, storages []string) error {
	var left []pve.Volume
	for range probeRounds {
		if err := e.do(ctx, e.probeChange(name, ref)); err != nil {
			return &LeftoverError{VM: name, Ref: ref, Err: err, Unproved: errors.Is(err, pve.ErrExists)}
		}
		found, lookErr := e.volumes(ctx, ref, storages)
		if err := e.removeProbe(ctx, name, ref, found); err != nil {
			return &LeftoverError{VM: name, Ref: ref, Volumes: found, Err: err}
		}
		if lookErr != nil {
			return &LeftoverError{VM: name, Ref: ref, Err: lookErr}
		}
		if left = found; len(left) == 0 {
			return nil
		}
	}
	return &LeftoverError{VM: name, Ref: ref, Volumes: left}
}

// removeProbe destroys the empty VM. Only when it has volumes to free does it queue with the other destroys.
func (e *Executor) removeProbe(ctx context.Context, name string, ref pve.VMRef, found []pve.Volume) error {
	destroy := func() error { return e.do(ctx, e.destroyChange(name, ref)) }
	if len(found) == 0 {
		return destroy()
	}
	return e.gates.free(ctx, ref.Node, destroy)
}

func (e *Executor) probeChange(name string, ref pve.VMRef) change {
	empty := pve.EmptyVM{VMRef: ref, Pool: e.Pool, Name: fmt.Sprintf("%s-probe-%d", e.Mark.Lab, ref.ID), Description: e.mark(name)}
	return change{
		op: journal.OpProbe, vm: name, ref: ref,
		send:     tasked(func(ctx context.Context) (pve.UPID, error) { return e.API.CreateEmptyVM(ctx, empty) }),
		happened: func(ctx context.Context) (bool, error) { return e.isOurs(ctx, ref) },
	}
}

// volumes lists what the storages hold under the VMID.
func (e *Executor) volumes(ctx context.Context, ref pve.VMRef, storages []string) ([]pve.Volume, error) {
	var all []pve.Volume
	for _, storage := range storages {
		volumes, err := e.API.Volumes(ctx, ref.Node, storage, ref.ID)
		if err != nil {
			return nil, fmt.Errorf("listing the volumes of VM %d on storage %s: %w", ref.ID, storage, err)
		}
		all = append(all, volumes...)
	}
	return all, nil
}

func holdingImages(storages []pve.Storage) []string {
	var names []string
	for _, storage := range storages {
		if slices.Contains(storage.Content, "images") && storage.Enabled {
			names = append(names, storage.Name)
		}
	}
	return names
}
