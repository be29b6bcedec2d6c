package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"

	"labctl/pkg/journal"
	"labctl/pkg/pve"
)

// change is one mutating request with everything needed to carry it out exactly once.
type change struct {
	op     journal.Op
	vm     string // name in the spec
	ref    pve.VMRef
	detail string
	send   func(ctx context.Context) (task pve.UPID, running bool, err error)
	// happened looks whether the change took effect, when its answer was lost.
	happened func(ctx context.Context) (bool, error)
}

// tasked adapts a call that always starts a task.
func tasked(send func(ctx context.Context) (pve.UPID, error)) func(context.Context) (pve.UPID, bool, error) {
	return func(ctx context.Context) (pve.UPID, bool, error) {
		task, err := send(ctx)
		return task, true, err
	}
}

// do carries a change out: intent, send, UPID, wait, outcome. Locks held by others are waited for; PVE undoes
// what it began when it does not get a lock. Once sent, a change is seen through even when ctx is cancelled: a task that nobody
// waits for is how other tools lose VMs.
func (e *Executor) do(ctx context.Context, c change) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	seeThrough := context.WithoutCancel(ctx)
	policy := backoff.WithContext(backoff.WithMaxRetries(backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(time.Second), backoff.WithMaxInterval(8*time.Second), backoff.WithMaxElapsedTime(0)), 5), ctx)
	err := backoff.Retry(func() error {
		err := e.once(seeThrough, c)
		if err != nil && !(errors.Is(err, pve.ErrLocked) && !errors.Is(err, pve.ErrConfigLocked)) && !errors.Is(err, pve.ErrTransient) {
			return backoff.Permanent(err)
		}
		return err
	}, policy)
	if err != nil {
		return fmt.Errorf("%s VM %s (%d): %w", c.op, c.vm, c.ref.ID, err)
	}
	return nil
}

// once is one try of a change.
func (e *Executor) once(ctx context.Context, c change) error {
	intent, err := e.Journal.Intend(journal.Intent{Op: c.op, VM: c.vm, Node: c.ref.Node, VMID: int(c.ref.ID), Detail: c.detail})
	if err != nil {
		return err
	}
	task, running, err := c.send(ctx)
	switch {
	case errors.Is(err, pve.ErrOutcomeUnknown):
		return e.lookUp(ctx, c, intent, err)
	case err != nil:
		return errors.Join(err, e.Journal.Finished(intent, journal.ResultRefused, err))
	case !running:
		return e.Journal.Finished(intent, journal.ResultDone, nil)
	}
	if err := e.Journal.Started(intent, task.String()); err != nil {
		return err
	}
	if _, err := e.API.Wait(ctx, task, nil); err != nil {
		if failed := (*pve.TaskError)(nil); errors.As(err, &failed) {
			return errors.Join(err, e.Journal.Finished(intent, journal.ResultFailed, err))
		}
		return errors.Join(err, e.Journal.Finished(intent, journal.ResultUnknown, err))
	}
	return e.Journal.Finished(intent, journal.ResultDone, nil)
}

// settleTime is how long a change whose answer was lost is looked for. Right after the loss 'nothing there' proves
// nothing (pve-api lab-findings §36).
const settleTime = 30 * time.Second

// lookUp finds out what became of a change whose answer was lost.
func (e *Executor) lookUp(ctx context.Context, c change, intent int, lost error) error {
	if err := e.Journal.Finished(intent, journal.ResultUnknown, lost); err != nil {
		return err
	}
	policy := backoff.NewExponentialBackOff(backoff.WithInitialInterval(500*time.Millisecond),
		backoff.WithMaxInterval(5*time.Second), backoff.WithMaxElapsedTime(settleTime))
	happened, err := backoff.RetryWithData(func() (bool, error) {
		happened, err := c.happened(ctx)
		if err != nil {
			return false, err
		}
		if !happened {
			return false, errNotYet
		}
		return true, nil
	}, policy)
	switch {
	case happened:
		return e.Journal.Finished(intent, journal.ResultDone, nil)
	case errors.Is(err, errNotYet):
		err = fmt.Errorf("the answer was lost and %s later the change had not taken effect: %w", settleTime, lost)
		return errors.Join(err, e.Journal.Finished(intent, journal.ResultFailed, err))
	default:
		return fmt.Errorf("the answer was lost and its outcome could not be looked up (%w): %w", lost, err)
	}
}

var errNotYet = errors.New("not yet")
