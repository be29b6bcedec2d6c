package change

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"

	"labctl/pkg/pve"
)

// abortRule says when the task of a change may be ended whose result nobody wants any more. PVE sends SIGTERM to the worker, and
// SIGKILL 5 s later (PVE::RESTEnvironment, kill_process_group). A worker that has not taken back by then what it made leaves it for ever.
type abortRule string

const (
	// abortNever: the task ends by itself, bounded by PVE's own lock time-outs of 10 s.
	abortNever abortRule = ""
	// abortCopy: only while the task copies a disk. A clone that waits for a lock, or whose volume is just being made, may swallow the
	// SIGTERM (the eval in ZFSPoolPlugin's activate_storage), or gets it in the middle of its clean-up: `lock: clone` and its volumes stay
	// (pve-api findings-3 1; rig-2 on 9.2.11).
	abortCopy abortRule = "copying"
	// abortAnytime: what the worker makes is a temporary file that its error path removes, until a rename makes it the
	// result (PVE::Tools, download_file_from_url).
	abortAnytime abortRule = "anytime"
)

// copyDone ends the last line of progress of one disk, after which the clone makes the next one.
const copyDone = "(100.00%)"

// isCopying says whether a clone's log ends with the progress of qemu-img (PVE::QemuServer, qemu_img_convert).
func isCopying(log []string) bool {
	lines := slices.DeleteFunc(slices.Clone(log), func(line string) bool { return strings.TrimSpace(line) == "" })
	if len(lines) == 0 {
		return false
	}
	last := strings.TrimSpace(lines[len(lines)-1])
	return strings.HasPrefix(last, "transferred ") && !strings.HasSuffix(last, copyDone)
}

// awaitUnwanted waits for the end of a task. From the moment when unwanted is closed the task is aborted as the rule allows. Its end is
// waited for all the same: by then PVE has taken back what it made.
func (e *Executor) awaitUnwanted(ctx context.Context, rule abortRule, unwanted <-chan struct{}, task pve.UPID) (pve.TaskStatus, error) {
	if rule == abortNever || unwanted == nil {
		return e.API.Wait(ctx, task, nil)
	}
	running, ended := context.WithCancel(ctx)
	var aborting sync.WaitGroup
	aborting.Go(func() {
		select {
		case <-unwanted:
			e.abort(running, rule, task)
		case <-running.Done():
		}
	})
	defer aborting.Wait()
	defer ended()
	return e.API.Wait(ctx, task, nil)
}

var errNotCopying = errors.New("the task does not copy a disk")

// abort ends a task as soon as the rule allows, unless it ends before: running ends then. A task that cannot be aborted is waited for.
func (e *Executor) abort(running context.Context, rule abortRule, task pve.UPID) {
	if rule == abortAnytime {
		_ = e.API.AbortTask(running, task)
		return
	}
	policy := backoff.NewExponentialBackOff(backoff.WithInitialInterval(time.Second), backoff.WithMaxInterval(10*time.Second),
		backoff.WithMaxElapsedTime(0))
	_ = backoff.Retry(func() error {
		if !e.copies(running, task) {
			return errNotCopying
		}
		// The clean-up frees volumes within the 5 s that PVE gives it: nobody else of us may hold the storage's lock meanwhile.
		return e.inside(running, Gate{Kind: GateFree, Node: task.Node}, alone, func() error {
			if !e.copies(running, task) {
				return errNotCopying
			}
			if err := e.API.AbortTask(running, task); err != nil {
				return backoff.Permanent(err)
			}
			<-running.Done()
			return nil
		})
	}, backoff.WithContext(policy, running))
}

// copies says whether the task copies a disk right now.
func (e *Executor) copies(ctx context.Context, task pve.UPID) bool {
	log, err := e.API.TaskLog(ctx, task, 0)
	return err == nil && isCopying(log)
}
