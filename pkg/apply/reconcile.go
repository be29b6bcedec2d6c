package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"labctl/pkg/journal"
	"labctl/pkg/pve"
)

// lateEffect is how long after it was sent a request whose answer never came may still take effect.
const lateEffect = 10 * time.Second

// Reconcile finds out what became of the changes that an earlier process left open, before anybody looks at what exists:
// their tasks may still be running. A clone is waited for and never killed, since a killed one is beyond a token.
func (e *Executor) Reconcile(ctx context.Context, open []journal.OpenIntent) error {
	for _, intent := range open {
		if err := e.reconcile(ctx, intent); err != nil {
			return fmt.Errorf("finding out what became of %s VM %s (%d): %w", intent.Op, intent.VM, intent.VMID, err)
		}
	}
	return nil
}

func (e *Executor) reconcile(ctx context.Context, intent journal.OpenIntent) error {
	e.Observer.StepStarted(intent.VM, "reconcile", string(intent.Op))
	begun := time.Now()
	result, err := e.outcome(ctx, intent)
	e.Observer.StepFinished(intent.VM, "reconcile", time.Since(begun), err)
	if err != nil {
		return err
	}
	return e.Journal.Finished(intent.Seq, result, nil)
}

// outcome waits for the intent's task. What cannot be found out counts as failed: something of it may be left.
func (e *Executor) outcome(ctx context.Context, intent journal.OpenIntent) (journal.Result, error) {
	task, err := pve.ParseUPID(intent.UPID)
	if err != nil {
		return journal.ResultFailed, e.awaitNameless(ctx, intent)
	}
	_, err = e.API.Wait(ctx, task, nil)
	var failed *pve.TaskError
	switch {
	case err == nil:
		return journal.ResultDone, nil
	case errors.As(err, &failed), errors.Is(err, pve.ErrNotFound), errors.Is(err, pve.ErrPermission):
		return journal.ResultFailed, nil // another token's task cannot be read (pve-api lab-findings §9)
	default:
		return "", err
	}
}

// awaitNameless waits for the tasks that may be those of an intent whose answer never came.
func (e *Executor) awaitNameless(ctx context.Context, intent journal.OpenIntent) error {
	if wait := time.Until(intent.Time.Add(lateEffect)); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	nameless := change{ref: pve.VMRef{Node: intent.Node}, tasks: pve.TaskFilter{VMID: pve.VMID(intent.VMID)}}
	if intent.Op == journal.OpClone {
		nameless.tasks = pve.TaskFilter{Type: "qmclone"} // filed under the template, which the intent does not name
	}
	_, err := e.awaitTasks(ctx, nameless)
	return err
}
