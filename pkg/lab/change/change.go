package change

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"

	"labctl/pkg/lab/journal"
	"labctl/pkg/pve"
)

// change is one mutating request with everything needed to carry it out exactly once.
type change struct {
	op     journal.Op
	work   string // finer than op, when changes of one op take different times
	vm     string // name in the spec
	ref    pve.VMRef
	volume string // for an upload or its removal
	detail string
	disks  []string // of the VM's configuration, when it was read before
	send   func(ctx context.Context) (task pve.UPID, running bool, err error)
	// inspect judges a task that succeeded with warnings; nil when warnings do not matter.
	inspect func(pve.TaskStatus) error
	// happened looks whether the change took effect, when its answer was lost; tasks are those that may be working on it.
	happened func(ctx context.Context) (bool, error)
	tasks    pve.TaskFilter
	at       string // node whose tasks these are, when it is not the VM's
	// again says that the change, sent twice, does the same as once: it is sent again after a look has shown that it did not happen.
	again  bool
	resent bool // when it was
	// claims says that PVE takes the VMID before it starts the worker.
	claims bool
	// undone says that PVE takes everything back when the change fails with this error.
	undone error
	// abort says when the task may be ended once the work is cancelled; cancelled is closed by then.
	abort     abortRule
	cancelled <-chan struct{}
}

// workNode is the node that works on the change, when it is not the VM's.
func (c change) workNode() string {
	if c.at == c.ref.Node {
		return ""
	}
	return c.at
}

// tasked adapts a call that always starts a task.
func tasked(send func(ctx context.Context) (pve.UPID, error)) func(context.Context) (pve.UPID, bool, error) {
	return func(ctx context.Context) (pve.UPID, bool, error) {
		task, err := send(ctx)
		return task, true, err
	}
}

// retries is how often a change is sent again that the server did not begin, such as for a lock that others held.
const retries = 5

// do carries a change out: intent, send, UPID, wait, outcome. Locks held by others are waited for; PVE undoes
// what it began when it does not get a lock. Once sent, a change is seen through even when ctx is cancelled: a task that nobody
// waits for is how other tools lose VMs.
func (e *Executor) do(ctx context.Context, c change) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	seeThrough := context.WithoutCancel(ctx)
	c.cancelled = ctx.Done()
	var told sync.Once
	policy := backoff.NewExponentialBackOff(backoff.WithInitialInterval(time.Second),
		backoff.WithMaxInterval(8*time.Second), backoff.WithMaxElapsedTime(0))
	err := backoff.Retry(func() error {
		err := e.once(seeThrough, c)
		if err != nil && c.resent && c.mayBeSentAgain(err) {
			told.Do(func() { e.Observer.Line("%s; trying again", c.failure(err)) })
		}
		c.resent = true
		if err != nil && !c.mayBeSentAgain(err) {
			return backoff.Permanent(err)
		}
		return err
	}, backoff.WithContext(backoff.WithMaxRetries(policy, retries), ctx))
	var task *pve.TaskError
	switch {
	case c.abort != abortNever && ctx.Err() != nil && errors.As(err, &task) && !errors.Is(err, pve.ErrOutcomeUnknown):
		return context.Cause(ctx)
	case err != nil:
		return c.failure(err)
	}
	return nil
}

// failure says which change failed.
func (c change) failure(err error) error {
	if c.volume != "" {
		return fmt.Errorf("%s %s: %w", c.op, c.volume, err)
	}
	return fmt.Errorf("%s VM %s (%d): %w", c.op, c.vm, c.ref.ID, err)
}

// mayBeSentAgain says that nothing came of a change and the same may work later. A lock in the VM's configuration is not
// a matter of waiting: its holder may be dead.
func (c change) mayBeSentAgain(err error) bool {
	if errors.Is(err, errNothingHappened) {
		return c.again
	}
	if errors.Is(err, pve.ErrOutcomeUnknown) || errors.Is(err, pve.ErrConfigLocked) {
		return false
	}
	return errors.Is(err, pve.ErrLocked) || errors.Is(err, pve.ErrTransient)
}

// once is one try of a change.
func (e *Executor) once(ctx context.Context, c change) error {
	if ahead, known := e.API.Ahead(); known {
		if err := e.Journal.NoteAhead(ahead); err != nil {
			return err
		}
	}
	intent, err := e.Journal.Intend(journal.Intent{Op: c.op, VM: c.vm, Node: c.ref.Node, VMID: int(c.ref.ID), Volume: c.volume, Detail: c.detail, At: c.workNode(), Disks: c.disks})
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
	// The task is waited for even when the journal cannot take its ID any more: the intent is on disk.
	started := e.Journal.Started(intent, task.String())
	status, err := e.awaitUnwanted(pve.WithWork(ctx, c.work), c.abort, c.cancelled, task)
	if err != nil {
		return errors.Join(e.failed(ctx, c, intent, err), started)
	}
	if c.inspect != nil {
		if err := c.inspect(status); err != nil {
			return errors.Join(err, e.Journal.Finished(intent, journal.ResultFailed, err), started)
		}
	}
	return errors.Join(e.Journal.Finished(intent, journal.ResultDone, nil), started)
}

// failed records how a task failed, or that nobody knows.
func (e *Executor) failed(ctx context.Context, c change, intent int, err error) error {
	var task *pve.TaskError
	switch {
	case errors.Is(err, pve.ErrOutcomeUnknown), !errors.As(err, &task):
		return e.lookUp(ctx, c, intent, err)
	case c.resent && c.again && errors.Is(err, pve.ErrVMRunning): // it was started after all
		return e.Journal.Finished(intent, journal.ResultDone, nil)
	case c.undone != nil && errors.Is(err, c.undone):
		return errors.Join(err, e.Journal.Finished(intent, journal.ResultRefused, err))
	default:
		return errors.Join(err, e.Journal.Finished(intent, journal.ResultFailed, err))
	}
}
