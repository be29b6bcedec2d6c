package pve

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// logTail is how many lines of its log a failed task's error carries.
	logTail = 20
	// registerTime is how long a task may be unknown to its node after its ID came back.
	registerTime = 5 * time.Second
)

// defaultPollDelay looks often at first, as most tasks end within a second or
// two: after 0.2, 0.4, 0.8 s, then every 1 s, and after some seconds every 1.5 s.
func defaultPollDelay(poll int) time.Duration {
	if poll >= 6 {
		return 1500 * time.Millisecond
	}
	return min(200*time.Millisecond<<min(poll, 3), time.Second)
}

// workKey is the context key of WithWork.
type workKey struct{}

// WithWork names the work that tasks waited for with this context do, finer than their type. Tasks of one type and work
// take about the same time, and the client first looks when the last one was done.
func WithWork(ctx context.Context, work string) context.Context {
	return context.WithValue(ctx, workKey{}, work)
}

func workOf(ctx context.Context) string {
	work, _ := ctx.Value(workKey{}).(string)
	return work
}

// Wait waits until a task has ended; only the context limits it. The observer,
// if any, gets each status in the caller's goroutine, and may miss some when it
// is slow.
//
// A failed task is a *TaskError. Warnings are a success: Warnings and Log of the
// status tell what PVE warned of. When the context ends the error is a
// *StillRunningError, as the task goes on. Concurrent waits on one node share
// their requests.
func (c *Client) Wait(ctx context.Context, upid UPID, observe func(TaskStatus)) (TaskStatus, error) {
	if upid.IsZero() {
		return TaskStatus{}, errors.New("waiting for a task: no task ID")
	}
	last, err := c.waitForEnd(ctx, upid, observe)
	if err != nil {
		return last, err
	}
	return c.finish(ctx, last)
}

func (c *Client) waitForEnd(ctx context.Context, upid UPID, observe func(TaskStatus)) (TaskStatus, error) {
	w := c.tasks.join(ctx, upid)
	defer c.tasks.leave(w)
	last := TaskStatus{UPID: upid, Running: true}
	for last.Running {
		select {
		case <-ctx.Done():
			return last, &StillRunningError{UPIDs: []UPID{upid}, Err: context.Cause(ctx)}
		case news := <-w.news:
			if news.err != nil {
				return last, fmt.Errorf("waiting for task %v: %w", upid, news.err)
			}
			last = news.status
			if observe != nil {
				observe(last)
			}
		}
	}
	return last, nil
}

// finish adds the log to an end that needs explaining. A log that cannot be
// read changes nothing about how the task ended.
func (c *Client) finish(ctx context.Context, s TaskStatus) (TaskStatus, error) {
	if s.Warnings == 0 && !s.Failed() {
		return s, nil
	}
	log, err := c.TaskLog(ctx, s.UPID, logTail)
	if err != nil {
		log = []string{fmt.Sprintf("(log cannot be read: %v)", err)}
	}
	if !s.Failed() {
		s.Log = log
		return s, nil
	}
	return s, &TaskError{UPID: s.UPID, ExitStatus: s.ExitStatus, Log: log, kinds: classifyText(s.ExitStatus)}
}
