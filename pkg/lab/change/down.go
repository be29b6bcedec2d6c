package change

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"

	"labctl/pkg/internal/pause"
	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/journal"
	"labctl/pkg/lab/plan"
	"labctl/pkg/lab/teardown"
	"labctl/pkg/pve"
)

// removalRounds is how often a removal is tried that failed for a reason that may pass, and roundPause how long after.
const (
	removalRounds = 3
	roundPause    = 5 * time.Second
)

// Down carries out a plan of plan.Down: VMs stop side by side, are destroyed one after the other, and when all are gone
// the proofs are made side by side, which share their requests; uploads go with them. It goes on past failures, and tries
// again what may pass. The error joins what failed to the end and holds a *LeftoverError for everything that could not be removed with proof.
func (e *Executor) Down(ctx context.Context, todo plan.Plan) error {
	shelves := &shelves{look: e.shelf}
	if err := shelves.fill(ctx, todo); err != nil {
		return Leftovers(todo, err)
	}
	todo.Sequences = slices.Clone(todo.Sequences) // a VM that has moved is followed
	failures := make([]error, len(todo.Sequences))
	for round := range removalRounds {
		if round > 0 && pause.For(ctx, roundPause) != nil {
			break
		}
		e.removeRound(ctx, todo, shelves, failures, round > 0)
		if ctx.Err() != nil || !slices.ContainsFunc(failures, mayPass) {
			break
		}
	}
	return errors.Join(failures...)
}

// removeRound tries everything once, or again only what failed for a reason that may pass.
func (e *Executor) removeRound(ctx context.Context, todo plan.Plan, shelves *shelves, failures []error, again bool) {
	due := make([]bool, len(failures))
	for i := range due {
		due[i] = !again || mayPass(failures[i])
		if due[i] {
			failures[i] = nil
		}
	}
	for _, last := range []bool{false, true} {
		var wait sync.WaitGroup
		for i := range todo.Sequences {
			if due[i] && failures[i] == nil {
				wait.Go(func() { failures[i] = e.remove(ctx, &todo.Sequences[i], shelves, last) })
			}
		}
		wait.Wait()
	}
}

// mayPass says whether a removal that failed may work a little later: not when somebody has to do something first.
func mayPass(err error) bool {
	if err == nil {
		return false
	}
	for _, lasting := range []error{pve.ErrPermission, pve.ErrAuth, pve.ErrProtected, pve.ErrConfigLocked, errUnmade, errBesideStrangers, errUnproved, errTaken, errNotOurs, errOwnDisk, errAway, errHeld, pve.ErrHalfCreated, ErrUnprovedProbe} {
		if errors.Is(err, lasting) {
			return false
		}
	}
	return true
}

// errOwnDisk is why a VM is not destroyed.
var errOwnDisk = errors.New("give it to another VM first, or do not say that it is to be left")

// errNotOurs is why a VM of the plan is left alone.
var errNotOurs = errors.New("it does not carry the lab's mark any more")

// Leftovers says of everything in a plan of plan.Down that it may be left: a *LeftoverError for each VM and upload, joined.
func Leftovers(todo plan.Plan, err error) error {
	var all []error
	for _, sequence := range todo.Sequences {
		left := &LeftoverError{VM: sequence.VM, Ref: refOf(sequence), Err: err}
		for _, step := range sequence.Steps {
			if free, ok := step.(plan.Free); ok {
				left.Volumes = []pve.Volume{{ID: free.Volume}}
			}
		}
		all = append(all, left)
	}
	return errors.Join(all...)
}

// remove runs the steps for one VM or upload: either those that come last, or all others. A VM that an operator moved to
// another node meanwhile is followed there once.
func (e *Executor) remove(ctx context.Context, sequence *plan.Sequence, shelves *shelves, last bool) error {
	name := sequence.VM
	if name == "" {
		name = fmt.Sprint(sequence.VMID)
	}
	for _, step := range sequence.Steps {
		if comesLast(step) != last {
			continue
		}
		try := func() error { return e.removeStep(ctx, name, *sequence, step, shelves) }
		err := e.step(name, step, try)
		if node, moved := e.movedTo(ctx, *sequence, err); moved {
			sequence.Formerly = append(sequence.Formerly, sequence.Node)
			sequence.Node = node
			err = e.step(name, step, try)
		}
		if err == nil {
			continue
		}
		var left *LeftoverError
		if !errors.As(err, &left) {
			left = e.leftover(name, refOf(*sequence), err)
			err = left
		}
		left.Sparing = left.Sparing || e.isBesideOthers(ctx, left.Ref, shelves)
		return err
	}
	return nil
}

// isBesideOthers says that volumes lay under the VMID that the VM's configuration did not name when it was read: what root is told
// to do must not free them.
func (e *Executor) isBesideOthers(ctx context.Context, ref pve.VMRef, shelves *shelves) bool {
	known := e.Journal.State().Known(int(ref.ID))
	where, err := shelves.of(ctx, ref.Node)
	return err == nil && ref.ID != 0 && len(known.Disks) > 0 && len(teardown.JudgeVolumes(known, e.Words, where.under(ref.ID)).NotOurs()) > 0
}

func refOf(sequence plan.Sequence) pve.VMRef {
	return pve.VMRef{Node: sequence.Node, ID: pve.VMID(sequence.VMID)}
}

// comesLast says whether a step waits until all VMs are destroyed.
func comesLast(step plan.Step) bool {
	switch step.(type) {
	case plan.Prove, plan.Free:
		return true
	default:
		return false
	}
}

// movedTo says where a VM is that was not found on its node: only the cluster's list knows (failure mode 76).
func (e *Executor) movedTo(ctx context.Context, sequence plan.Sequence, err error) (string, bool) {
	if !errors.Is(err, pve.ErrVMNotFound) {
		return "", false
	}
	resources, err := e.API.Resources(ctx)
	if err != nil {
		return "", false
	}
	for _, resource := range resources {
		if resource.VMID == pve.VMID(sequence.VMID) && resource.Node != sequence.Node {
			return resource.Node, true
		}
	}
	return "", false
}

func (e *Executor) removeStep(ctx context.Context, name string, sequence plan.Sequence, step plan.Step, shelves *shelves) error {
	ref := refOf(sequence)
	switch step := step.(type) {
	case plan.Stop:
		return e.halt(ctx, name, ref, step)
	case plan.Destroy:
		where, err := shelves.of(ctx, ref.Node)
		if err != nil {
			return err
		}
		return e.freeing(ctx, ref.Node, func() error { return e.destroy(ctx, name, ref, where) })
	case plan.Free:
		return e.free(ctx, name, ref.Node, step)
	case plan.Prove:
		var all []error
		for _, node := range append([]string{ref.Node}, sequence.Formerly...) {
			there := pve.VMRef{Node: node, ID: ref.ID}
			where, err := shelves.of(ctx, node)
			if err != nil {
				all = append(all, e.leftover(name, there, err))
				continue
			}
			all = append(all, e.prove(ctx, name, there, where, step))
		}
		return errors.Join(all...)
	default:
		return fmt.Errorf("VM %s: step %s does not belong into down", name, step.Name())
	}
}

// haPatience is how long the HA manager may take to stop a VM: it looks every 10 s (pve-ha-manager, CRM).
const haPatience = 2 * time.Minute

// halt stops the VM. Of one that HA manages the task only asks the HA manager to stop it (failure mode 77).
func (e *Executor) halt(ctx context.Context, name string, ref pve.VMRef, step plan.Stop) error {
	err := e.stop(ctx, name, ref)
	if errors.Is(err, pve.ErrConfigLocked) {
		if _, err = e.unlocked(ctx, name, ref); err == nil {
			err = e.stop(ctx, name, ref)
		}
	}
	if gone, lookErr := e.isGone(ctx, ref, err); gone && lookErr == nil {
		return nil // in an earlier round
	}
	if err != nil || !step.ByHA {
		return err
	}
	e.Observer.Line("VM %s (%d) is managed by HA: waiting up to %s until its manager stops it", name, ref.ID, haPatience)
	policy := backoff.NewExponentialBackOff(backoff.WithInitialInterval(time.Second), backoff.WithMaxInterval(10*time.Second),
		backoff.WithMaxElapsedTime(haPatience))
	return backoff.Retry(func() error {
		running, err := e.isRunning(ctx, ref)
		switch {
		case err != nil:
			return backoff.Permanent(err)
		case running:
			return fmt.Errorf("VM %d is managed by HA and still runs %s after HA was asked to stop it", ref.ID, haPatience)
		}
		return nil
	}, backoff.WithContext(policy, ctx))
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
	config, err := e.unlocked(ctx, name, ref)
	if gone, lookErr := e.isGone(ctx, ref, err); gone || lookErr != nil {
		return lookErr
	}
	if !e.mayDestroy(ref.ID, config) && e.Journal.State().Known(int(ref.ID)).Destroyed() {
		return nil // ours is destroyed, in an earlier round, and somebody took the VMID since
	}
	if !e.mayDestroy(ref.ID, config) {
		return fmt.Errorf("VM %d is left alone: %w (lab %s)", ref.ID, errNotOurs, e.Mark.Lab)
	}
	if config.Protection() { // inherited from the template, or set on a throw-away VM: the mark decides
		if err := e.unprotect(ctx, name, ref); err != nil {
			return errors.Join(err, pve.ErrProtected)
		}
	}
	known := e.Journal.State().Known(int(ref.ID))
	disks := teardown.DisksOf(config, ref.ID)
	if at := slices.IndexFunc(disks, func(disk string) bool { return slices.Contains(e.Words.Leave, disk) }); at >= 0 {
		err := fmt.Errorf("volume %s is in the configuration of VM %d and would go with it: %w", disks[at], ref.ID, errOwnDisk)
		return &LeftoverError{VM: name, Ref: ref, Err: err}
	}
	if err := disksAway(where, name, ref, disks); err != nil {
		return err
	}
	known.Disks = append(known.Disks, disks...)
	sweep := len(where.away) == 0 && len(teardown.JudgeVolumes(known, e.Words, where.under(ref.ID)).NotOurs()) == 0
	err = e.destroyWith(ctx, name, ref, sweep, disks)
	if err != nil && !sweep {
		return &LeftoverError{VM: name, Ref: ref, Err: err, Sparing: true}
	}
	return err
}

// mayDestroy says whether the configuration shows a VM of the lab: by its mark, or at a person's word one that this run made
// and whose mark is gone.
func (e *Executor) mayDestroy(id pve.VMID, config pve.VMConfig) bool {
	mark, marked := inventory.ParseMark(config.Description())
	if e.Self.Of(mark, marked, id).Removable() {
		return true
	}
	return slices.Contains(e.Words.Take, id.String()) && teardown.IsMadeByRun(id, config, e.Journal.State().Known(int(id)))
}

// destroyStopped destroys the VM, which is stopped once more if it runs again.
func (e *Executor) destroyStopped(ctx context.Context, name string, ref pve.VMRef, remove change) error {
	policy := backoff.WithContext(backoff.WithMaxRetries(backoff.NewConstantBackOff(2*time.Second), 3), ctx)
	return backoff.Retry(func() error {
		err := e.pace.measure(ref.Node, func() error { return e.do(ctx, remove) })
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
