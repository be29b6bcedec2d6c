package apply

import (
	"context"
	"errors"
	"fmt"

	"labctl/pkg/journal"
	"labctl/pkg/pve"
)

// probeRounds is how often leftover volumes are removed and looked for again.
const probeRounds = 3

// errUnmade is why volumes under our VMID are left alone.
var errUnmade = errors.New("volumes with this VMID's name that labctl did not make were found: look at them before removing them")

// prove shows that no volume of a destroyed VM is left. A token whose rights come from the pool sees no volume of a VMID
// that has no VM, so an empty VM claims the VMID in our pool for the moment of looking; destroying it frees what is left under that
// VMID's name (pve-api lab-findings §3). The VMID is one that this lab made itself, and its volumes are looked at first.
func (e *Executor) prove(ctx context.Context, name string, ref pve.VMRef, where shelf) error {
	var left []pve.Volume
	for range probeRounds {
		if err := e.do(ctx, e.probeChange(name, ref)); err != nil {
			return &LeftoverError{VM: name, Ref: ref, Err: err, Unproved: errors.Is(err, pve.ErrExists)}
		}
		found, lookErr := e.volumes(ctx, ref, where.storages)
		if err := e.removeProbe(ctx, name, ref, found); err != nil {
			return &LeftoverError{VM: name, Ref: ref, Err: err}
		}
		if lookErr != nil {
			return &LeftoverError{VM: name, Ref: ref, Err: lookErr}
		}
		if len(unmade(found)) > 0 {
			return &LeftoverError{VM: name, Ref: ref, Volumes: found, Err: errUnmade}
		}
		if left = found; len(left) == 0 {
			return nil
		}
	}
	return &LeftoverError{VM: name, Ref: ref, Volumes: left}
}

// removeProbe destroys the empty VM, and with it the volumes that are ours. Only when it frees something does it queue
// with the other destroys.
func (e *Executor) removeProbe(ctx context.Context, name string, ref pve.VMRef, found []pve.Volume) error {
	sweep := len(found) > 0 && len(unmade(found)) == 0
	destroy := e.destroyChange(name, ref, sweep)
	if !sweep {
		destroy.work = "empty"
		return e.do(ctx, destroy)
	}
	return e.gates.free(ctx, ref.Node, func() error { return e.do(ctx, destroy) })
}

func (e *Executor) probeChange(name string, ref pve.VMRef) change {
	empty := pve.EmptyVM{VMRef: ref, Pool: e.Pool, Name: fmt.Sprintf("%s-probe-%d", e.Mark.Lab, ref.ID), Description: e.mark(name)}
	return change{
		op: journal.OpProbe, vm: name, ref: ref,
		send:     tasked(func(ctx context.Context) (pve.UPID, error) { return e.API.CreateEmptyVM(ctx, empty) }),
		happened: func(ctx context.Context) (bool, error) { return e.isOurs(ctx, ref) },
		tasks:    pve.TaskFilter{VMID: ref.ID},
	}
}
