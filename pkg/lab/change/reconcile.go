package change

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"labctl/pkg/internal/pause"
	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/journal"
	"labctl/pkg/pve"
)

// lateEffect is how long after it was sent a request whose answer never came may still take effect.
const lateEffect = 10 * time.Second

// Reconcile finds out what became of the changes that an earlier process left open, before anybody looks at what exists:
// their tasks may still be running. They are waited for; with Discard, a clone that copies a disk is aborted, and PVE takes back what
// it made.
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
	if e.Discard && intent.At == "" && inventory.NodeSilent(err) {
		return nil // it stays open: what is on that node counts as left
	}
	if err != nil {
		return err
	}
	return e.Journal.Finished(intent.Seq, result, nil)
}

// outcome waits for the intent's task. What cannot be found out counts as failed: something of it may be left.
func (e *Executor) outcome(ctx context.Context, intent journal.OpenIntent) (journal.Result, error) {
	task, err := pve.ParseUPID(intent.UPID)
	if err != nil {
		return e.outcomeOfNameless(ctx, intent)
	}
	_, err = e.awaitEarlier(ctx, intent.Op, task)
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

// awaitEarlier waits for a task that an earlier process began.
func (e *Executor) awaitEarlier(ctx context.Context, op journal.Op, task pve.UPID) (pve.TaskStatus, error) {
	rule := abortNever
	if op == journal.OpClone && e.Discard {
		rule = abortCopy
	}
	unwanted := make(chan struct{})
	close(unwanted)
	return e.awaitUnwanted(ctx, rule, unwanted, task)
}

// clockSkew is how far the clocks of a cluster's nodes may be apart, and how well ours is known by theirs.
const clockSkew = 10 * time.Minute

// tasksListed is for how long a node surely lists a task that ended. PVE keeps two lists of about 1000 tasks of all users, however old
// they are (PVE::RESTEnvironment, active_workers).
const tasksListed = 6 * time.Hour

// outcomeOfNameless waits for the tasks that may be those of an intent whose answer never came. When the server began no
// such task since, the request never arrived: every clone and creation is a task, and the list has all of the token's own.
func (e *Executor) outcomeOfNameless(ctx context.Context, intent journal.OpenIntent) (journal.Result, error) {
	if err := pause.For(ctx, min(lateEffect, time.Until(intent.Time.Add(lateEffect)))); err != nil { // the clock may have been set back since
		return "", err
	}
	nameless := change{ref: pve.VMRef{Node: intent.Node}, at: intent.At, tasks: pve.TaskFilter{VMID: pve.VMID(intent.VMID)}}
	switch intent.Op {
	case journal.OpClone:
		nameless.tasks = pve.TaskFilter{Type: "qmclone"} // filed under the template, which the intent does not name
	case journal.OpProbe, journal.OpCreate:
		nameless.tasks.Type = "qmcreate"
	case journal.OpUpload, journal.OpDownload, journal.OpFree:
		nameless.tasks = pve.TaskFilter{Type: map[journal.Op]string{
			journal.OpUpload: "imgcopy", journal.OpDownload: "download", journal.OpFree: "imgdel",
		}[intent.Op]}
	default: // all tasks of the VM
	}
	if _, err := e.awaitTasks(ctx, nameless); err != nil {
		return "", err
	}
	began, err := e.mayHaveBegun(ctx, intent, nameless.tasks)
	if err == nil && !began && (intent.Op == journal.OpProbe || intent.Op == journal.OpCreate) {
		began, err = e.API.VMIDTaken(ctx, pve.VMID(intent.VMID)) // PVE takes the VMID before there is a task
	}
	if err == nil && !began {
		return journal.ResultRefused, nil
	}
	return journal.ResultFailed, err
}

// mayHaveBegun says whether the server has a task that may be that of a clone or a creation whose answer never came.
func (e *Executor) mayHaveBegun(ctx context.Context, intent journal.OpenIntent, filter pve.TaskFilter) (bool, error) {
	state := e.Journal.State()
	isTask := slices.Contains([]journal.Op{journal.OpClone, journal.OpProbe, journal.OpCreate}, intent.Op)
	if !isTask || state.Run == nil || state.Run.Token == "" || state.Run.Token != e.Token {
		return true, nil // this token does not see the tasks of the one that sent the request
	}
	ahead, known := e.API.Ahead()
	if !known || intent.Time.After(time.Now()) || time.Since(intent.Time) > tasksListed {
		return true, nil // when the request was sent by the server's clock is not known, or the task may not be listed any more
	}
	filter.Since = intent.Time.Add(-max(0, ahead, state.Ahead()) - clockSkew)
	tasks, err := e.API.Tasks(ctx, cmp.Or(intent.At, intent.Node), filter)
	if err != nil {
		return false, err
	}
	tasks = slices.DeleteFunc(tasks, func(task pve.Task) bool {
		return task.UPID.User != e.Token || slices.Contains(state.Tasks, task.UPID.String())
	})
	for _, task := range tasks {
		if may, err := e.mayBeOf(ctx, intent, task); may || err != nil {
			return may, err
		}
	}
	return false, nil
}

// mayBeOf says whether a task may be that of the intent. Tasks of clones are filed under the template, and only some tell
// where the clone went. One that ended well made a VM: not ours when no VM has our VMID.
func (e *Executor) mayBeOf(ctx context.Context, intent journal.OpenIntent, task pve.Task) (bool, error) {
	if intent.Op != journal.OpClone {
		return true, nil
	}
	log, err := e.API.TaskLog(ctx, task.UPID, 0)
	if err != nil && !errors.Is(err, pve.ErrNotFound) {
		return false, err
	}
	switch into := pve.ClonedInto(log); {
	case into != 0:
		return into == pve.VMID(intent.VMID), nil
	case task.Running, task.Failed():
		return true, nil
	}
	return e.API.VMIDTaken(ctx, pve.VMID(intent.VMID))
}
