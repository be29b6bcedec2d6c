package change

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"

	"labctl/pkg/lab/journal"
)

// latestTasks is how many tasks are looked at for running ones, which a node lists first.
const latestTasks = 500

// settleTime is how long a change whose answer was lost is looked for while nothing works on it. Right after the loss,
// 'nothing there' proves nothing (pve-api lab-findings §36).
const settleTime = 20 * time.Second

// lookUp finds out what became of a change whose answer was lost: it waits for the tasks that may be working on it, and
// looks. Nothing is ever sent again before that.
func (e *Executor) lookUp(ctx context.Context, c change, intent int, lost error) error {
	if err := e.Journal.Finished(intent, journal.ResultUnknown, lost); err != nil {
		return err
	}
	policy := backoff.NewExponentialBackOff(backoff.WithInitialInterval(500*time.Millisecond),
		backoff.WithMaxInterval(5*time.Second), backoff.WithMaxElapsedTime(settleTime))
	happened, err := backoff.RetryWithData(func() (bool, error) {
		worked, err := e.awaitTasks(ctx, c)
		if err != nil {
			return false, backoff.Permanent(err)
		}
		if worked {
			policy.Reset()
		}
		happened, err := c.happened(ctx)
		switch {
		case err != nil:
			return false, backoff.Permanent(err)
		case !happened:
			return false, errNotYet
		default:
			return true, nil
		}
	}, policy)
	switch {
	case happened:
		return e.Journal.Finished(intent, journal.ResultDone, nil)
	case errors.Is(err, errNotYet):
		err = fmt.Errorf("the answer was lost and the change had not taken effect %s later: %w", settleTime, lost)
		return errors.Join(err, e.Journal.Finished(intent, journal.ResultFailed, err))
	default:
		return fmt.Errorf("the answer was lost (%w) and its outcome could not be looked up: %w", lost, err)
	}
}

var errNotYet = errors.New("not yet")

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
