package change

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"labctl/pkg/internal/pause"
	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/journal"
	"labctl/pkg/pve"
)

// latestTasks is how many tasks are looked at for running ones, which a node lists first.
const latestTasks = 500

// settleTime is how long a change whose answer was lost is looked for while nothing works on it. Right after the loss,
// 'nothing there' proves nothing (pve-api lab-findings §36).
const settleTime = 20 * time.Second

// errNothingHappened says that a change without an answer did not take effect. A change that is again may be sent again.
var errNothingHappened = errors.New("no answer came, and the change has not taken effect")

// lookUp finds out what became of a change whose answer was lost: it waits for the tasks that may be working on it, and
// looks. Nothing is ever sent again before that.
func (e *Executor) lookUp(ctx context.Context, c change, intent int, lost error) error {
	if err := e.Journal.Finished(intent, journal.ResultUnknown, lost); err != nil {
		return err
	}
	settle := settleTime
	if errors.Is(lost, pve.ErrWorkerKilled) || errors.Is(lost, pve.ErrHalfCreated) {
		settle = 0 // nothing is under way any more
	}
	happened, err := e.hasHappened(ctx, c, settle)
	switch {
	case err != nil:
		return fmt.Errorf("what became of a change without an answer could not be looked up: %w (%w)", err, lost)
	case happened:
		return e.Journal.Finished(intent, journal.ResultDone, nil)
	}
	result, err := journal.ResultFailed, lost
	switch {
	case c.claims:
		result, err = e.claimed(ctx, c, lost)
	case settle > 0:
		err = fmt.Errorf("%w %s later: %w", errNothingHappened, settle, lost)
	}
	return errors.Join(err, e.Journal.Finished(intent, result, err))
}

// hasHappened looks for the effect of a change until nothing has worked on it for the settle time.
func (e *Executor) hasHappened(ctx context.Context, c change, settle time.Duration) (bool, error) {
	until := time.Now().Add(settle)
	for wait := 500 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		worked, err := e.awaitTasks(ctx, c)
		if err != nil {
			return false, err
		}
		if worked {
			until = time.Now().Add(settle)
		}
		happened, err := c.happened(ctx)
		if err != nil || happened || !time.Now().Before(until) {
			return happened, err
		}
		if err := pause.For(ctx, min(wait, time.Until(until))); err != nil {
			return false, err
		}
	}
}

// claimed says what a creation without an answer left, which is not the VM that was asked for. PVE takes the VMID before it starts the
// worker (pve.ErrHalfCreated). When the VMID is free, nothing is left and the same may be sent again; when a VM can be read there that
// is not ours, somebody else had it first.
func (e *Executor) claimed(ctx context.Context, c change, lost error) (journal.Result, error) {
	taken, err := e.API.VMIDTaken(ctx, c.ref.ID)
	switch {
	case err != nil:
		return journal.ResultFailed, errors.Join(lost, err)
	case !taken:
		return journal.ResultRefused, fmt.Errorf("%w: %w", errNothingHappened, lost)
	}
	config, err := e.API.VMConfig(ctx, c.ref)
	if mark, _ := inventory.ParseMark(config.Description()); err == nil && mark.Run != e.Mark.Run {
		return journal.ResultRefused, fmt.Errorf("%w (%w)", pve.ErrVMIDTaken, lost)
	}
	return journal.ResultFailed, lost
}

// awaitTasks waits for the running tasks that may be working on a change, and says whether there were any. How they end
// does not matter here: what they did is looked at afterwards.
func (e *Executor) awaitTasks(ctx context.Context, c change) (bool, error) {
	filter := c.tasks
	filter.Limit = latestTasks
	tasks, err := e.API.Tasks(ctx, cmp.Or(c.at, c.ref.Node), filter)
	if err != nil {
		return false, err
	}
	worked := false
	for _, task := range tasks {
		if !task.Running || (e.Token != "" && task.UPID.User != e.Token) {
			continue // with Sys.Audit the list has everybody's tasks
		}
		worked = true
		if _, err := e.API.Wait(ctx, task.UPID, nil); err != nil && context.Cause(ctx) != nil {
			return worked, err
		}
	}
	return worked, nil
}
