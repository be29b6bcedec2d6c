package pve

import (
	"errors"
	"fmt"
	"strings"
)

// TaskError is a task that ended without success.
type TaskError struct {
	// UPID is the task.
	UPID UPID
	// ExitStatus is PVE's text for the end; "unexpected status" when the worker was killed.
	ExitStatus string
	// Log is the end of the task's log; it often has the cause that ExitStatus lacks.
	Log []string

	kinds []error
}

// Error implements error.
func (e *TaskError) Error() string {
	text := fmt.Sprintf("task %s of %s failed: %s", e.UPID.Type, e.UPID.ID, e.ExitStatus)
	switch {
	case errors.Is(e, ErrWorkerKilled):
		text = fmt.Sprintf("task %s of %s was killed on the server, and took nothing back (exit status %q)", e.UPID.Type, e.UPID.ID, e.ExitStatus)
	case errors.Is(e, ErrInterrupted):
		text = fmt.Sprintf("task %s of %s was stopped on the server: %s", e.UPID.Type, e.UPID.ID, e.ExitStatus)
	}
	if len(e.Log) > 0 {
		text += "\n  " + strings.Join(e.Log, "\n  ")
	}
	return text
}

// Unwrap returns the kinds of the failure, for errors.Is and errors.As.
func (e *TaskError) Unwrap() []error { return e.kinds }

// StillRunningError is a wait that was given up; the task goes on without us.
type StillRunningError struct {
	// UPIDs are the tasks that were running when last seen.
	UPIDs []UPID
	// Err is why the wait ended: the context's error or cause.
	Err error
}

// Error implements error.
func (e *StillRunningError) Error() string {
	names := make([]string, len(e.UPIDs))
	for i, u := range e.UPIDs {
		names[i] = u.String()
	}
	return fmt.Sprintf("waiting ended: %v: still running on the server: %s", e.Err, strings.Join(names, " "))
}

// Unwrap returns why the wait ended.
func (e *StillRunningError) Unwrap() error { return e.Err }
