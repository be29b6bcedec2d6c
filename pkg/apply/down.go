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

// Down carries out a plan of plan.Down: VMs stop side by side, and are destroyed one after the other. It goes on
// past failures; the error joins all of them and holds a *LeftoverError for every VM that could not be removed with proof.
func (e *Executor) Down(ctx context.Context, todo plan.Plan) error {
	storages, err := e.imageStorages(ctx, todo)
	if err != nil {
		return err
	}
	var wait sync.WaitGroup
	failures := make([]error, len(todo.Sequences))
	for i, sequence := range todo.Sequences {
		wait.Go(func() { failures[i] = e.remove(ctx, sequence, storages[sequence.Node]) })
	}
	wait.Wait()
	return errors.Join(failures...)
}

// imageStorages lists, by node, the storages that can hold VM disks.
func (e *Executor) imageStorages(ctx context.Context, todo plan.Plan) (map[string][]string, error) {
	names := map[string][]string{}
	for _, sequence := range todo.Sequences {
		if _, done := names[sequence.Node]; done {
			continue
		}
		storages, err := e.API.Storages(ctx, sequence.Node)
		if err != nil {
			return nil, fmt.Errorf("listing the storages of node %s: %w", sequence.Node, err)
		}
		names[sequence.Node] = holdingImages(storages)
	}
	return names, nil
}

// remove runs the steps for one VM.
func (e *Executor) remove(ctx context.Context, sequence plan.Sequence, storages []string) error {
	name := sequence.VM
	if name == "" {
		name = fmt.Sprint(sequence.VMID)
	}
	ref := pve.VMRef{Node: sequence.Node, ID: pve.VMID(sequence.VMID)}
	for _, step := range sequence.Steps {
		err := e.step(name, step, func() error { return e.removeStep(ctx, name, ref, step, storages) })
		if err != nil && context.Cause(ctx) != nil {
			return err
		}
		if left := (*LeftoverError)(nil); err != nil && !errors.As(err, &left) {
			return &LeftoverError{VM: name, Ref: ref, Err: err}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (e *Executor) removeStep(ctx context.Context, name string, ref pve.VMRef, step plan.Step, storages []string) error {
	switch step.(type) {
	case plan.Stop:
		return e.stop(ctx, name, ref)
	case plan.Destroy:
		return e.gates.free(ctx, ref.Node, func() error { return e.destroy(ctx, name, ref) })
	case plan.Prove:
		return e.prove(ctx, name, ref, storages)
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
	})
}

// destroy removes the VM after reading its mark once more: what is not ours is never destroyed, whatever the plan says.
func (e *Executor) destroy(ctx context.Context, name string, ref pve.VMRef) error {
	config, err := e.API.VMConfig(ctx, ref)
	if errors.Is(err, pve.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if mark, ok := inventory.ParseMark(config.Description()); !ok || mark.Lab != e.Mark.Lab {
		return fmt.Errorf("VM %d does not carry the mark of lab %s any more: it is left alone", ref.ID, e.Mark.Lab)
	}
	policy := backoff.WithContext(backoff.WithMaxRetries(backoff.NewConstantBackOff(2*time.Second), 3), ctx)
	return backoff.Retry(func() error {
		err := e.do(ctx, e.destroyChange(name, ref))
		if errors.Is(err, pve.ErrVMRunning) {
			return errors.Join(err, e.stop(ctx, name, ref)) // started again, or the stop was not seen yet
		}
		if err != nil {
			return backoff.Permanent(err)
		}
		return nil
	}, policy)
}

func (e *Executor) destroyChange(name string, ref pve.VMRef) change {
	return change{
		op: journal.OpDestroy, vm: name, ref: ref,
		send: tasked(func(ctx context.Context) (pve.UPID, error) { return e.API.Destroy(ctx, ref) }),
		happened: func(ctx context.Context) (bool, error) {
			taken, err := e.API.VMIDTaken(ctx, ref.ID)
			return err == nil && !taken, err
		},
	}
}
