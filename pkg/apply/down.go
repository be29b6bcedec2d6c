package apply

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"

	"labctl/pkg/inventory"
	"labctl/pkg/journal"
	"labctl/pkg/plan"
	"labctl/pkg/pve"
)

// Down carries out a plan of plan.Down: VMs stop side by side, are destroyed one after the other, and when all are gone
// the proofs are made side by side, which share their requests. It goes on past failures; the error joins all of them and holds a *LeftoverError for every VM that could not be removed with proof.
func (e *Executor) Down(ctx context.Context, todo plan.Plan) error {
	shelves, err := e.shelves(ctx, todo)
	if err != nil {
		return leftoversOf(todo, err)
	}
	failures := make([]error, len(todo.Sequences))
	for _, proofs := range []bool{false, true} {
		var wait sync.WaitGroup
		for i, sequence := range todo.Sequences {
			if failures[i] == nil {
				wait.Go(func() { failures[i] = e.remove(ctx, sequence, shelves[sequence.Node], proofs) })
			}
		}
		wait.Wait()
	}
	return errors.Join(failures...)
}

// leftoversOf says of every VM of the plan that it may be left.
func leftoversOf(todo plan.Plan, err error) error {
	var all []error
	for _, sequence := range todo.Sequences {
		all = append(all, &LeftoverError{VM: sequence.VM, Ref: pve.VMRef{Node: sequence.Node, ID: pve.VMID(sequence.VMID)}, Err: err})
	}
	return errors.Join(all...)
}

// remove runs the steps for one VM: either the proof, or all others.
func (e *Executor) remove(ctx context.Context, sequence plan.Sequence, where shelf, proof bool) error {
	name := sequence.VM
	if name == "" {
		name = fmt.Sprint(sequence.VMID)
	}
	ref := pve.VMRef{Node: sequence.Node, ID: pve.VMID(sequence.VMID)}
	for _, step := range sequence.Steps {
		if _, isProof := step.(plan.Prove); isProof != proof {
			continue
		}
		err := e.step(name, step, func() error { return e.removeStep(ctx, name, ref, step, where) })
		var left *LeftoverError
		switch {
		case err == nil:
		case errors.As(err, &left):
			return err
		default:
			return &LeftoverError{VM: name, Ref: ref, Err: err}
		}
	}
	return nil
}

func (e *Executor) removeStep(ctx context.Context, name string, ref pve.VMRef, step plan.Step, where shelf) error {
	switch step.(type) {
	case plan.Stop:
		return e.stop(ctx, name, ref)
	case plan.Destroy:
		return e.gates.free(ctx, ref.Node, func() error { return e.destroy(ctx, name, ref, where) })
	case plan.Prove:
		return e.prove(ctx, name, ref, where)
	default:
		return fmt.Errorf("VM %s: step %s does not belong into down", name, step.Name())
	}
}

func (e *Executor) stop(ctx context.Context, name string, ref pve.VMRef) error {
	return e.do(ctx, change{
		op: journal.OpStop, vm: name, ref: ref,
		send: tasked(func(ctx context.Context) (pve.UPID, error) { return e.API.Stop(ctx, ref) }),
		happened: func(ctx context.Context) (bool, error) {
			running, err := e.isRunning(ctx, ref)
			return err == nil && !running, err
		},
		tasks: pve.TaskFilter{VMID: ref.ID},
	})
}

// destroy removes the VM after reading its mark once more: what is not ours is never destroyed, whatever the plan says.
func (e *Executor) destroy(ctx context.Context, name string, ref pve.VMRef, where shelf) error {
	config, err := e.API.VMConfig(ctx, ref)
	if gone, lookErr := e.isGone(ctx, ref, err); gone || lookErr != nil {
		return lookErr
	}
	if mark, ok := inventory.ParseMark(config.Description()); !ok || !mark.SameLab(e.Mark) {
		return fmt.Errorf("VM %d does not carry the mark of lab %s any more: it is left alone", ref.ID, e.Mark.Lab)
	}
	remove := e.destroyChange(name, ref, len(where.strangers(ref, config)) == 0)
	policy := backoff.WithContext(backoff.WithMaxRetries(backoff.NewConstantBackOff(2*time.Second), 3), ctx)
	return backoff.Retry(func() error {
		err := e.do(ctx, remove)
		if gone, lookErr := e.isGone(ctx, ref, err); gone && lookErr == nil {
			return nil // an earlier process's destroy got there first
		}
		if errors.Is(err, pve.ErrVMRunning) {
			return errors.Join(err, e.stop(ctx, name, ref)) // started again, or the stop was not seen yet
		}
		if err != nil {
			return backoff.Permanent(err)
		}
		return nil
	}, policy)
}

// isGone says that a VM whose configuration could not be read does not exist. A token whose rights come from the pool gets
// 403 for a VM that is gone as for a foreign one (pve-api lab-findings §8).
func (e *Executor) isGone(ctx context.Context, ref pve.VMRef, err error) (bool, error) {
	if err == nil {
		return false, nil
	}
	if !errors.Is(err, pve.ErrNotFound) && !errors.Is(err, pve.ErrPermission) {
		return false, err
	}
	taken, lookErr := e.API.VMIDTaken(ctx, ref.ID)
	if lookErr != nil {
		return false, lookErr
	}
	if taken {
		return false, err
	}
	return true, nil
}

// destroyChange destroys a VM, and with sweep also what else the storages hold under its VMID.
func (e *Executor) destroyChange(name string, ref pve.VMRef, sweep bool) change {
	send := e.API.DestroyOnly
	if sweep {
		send = e.API.Destroy
	}
	return change{
		op: journal.OpDestroy, vm: name, ref: ref,
		send: tasked(func(ctx context.Context) (pve.UPID, error) { return send(ctx, ref) }),
		happened: func(ctx context.Context) (bool, error) {
			taken, err := e.API.VMIDTaken(ctx, ref.ID)
			return err == nil && !taken, err
		},
		tasks: pve.TaskFilter{VMID: ref.ID},
	}
}
