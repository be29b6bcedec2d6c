package pve

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// TaskStatus is a task when it was last looked at.
type TaskStatus struct {
	UPID UPID
	// Running is true until the task's worker has ended.
	Running bool
	// ExitStatus is PVE's text for the end: "OK", "WARNINGS: n", or an error. "" while it runs.
	ExitStatus string
	// Warnings is the n of "WARNINGS: n", which is a success.
	Warnings int
	// Ended is when the task ended by the node's clock, in whole seconds; only Tasks knows it.
	Ended time.Time
	// Log is the task's log; only Wait sets it, and only when there are warnings.
	Log []string
}

// Task is a task in a node's list.
type Task = TaskStatus

// Failed reports whether the task ended without success. Not even success
// proves that a destroyed VM's volumes are gone.
func (s TaskStatus) Failed() bool {
	return !s.Running && s.ExitStatus != "OK" && s.Warnings == 0
}

// Killed reports whether the task's worker ended without a last word, or did not start: it took nothing back.
func (s TaskStatus) Killed() bool {
	return s.Failed() && slices.Contains(classifyText(s.ExitStatus), ErrWorkerKilled)
}

// newTaskStatus sets what follows from a task's end.
func newTaskStatus(upid UPID, running bool, exit string) TaskStatus {
	s := TaskStatus{UPID: upid, Running: running}
	if running {
		return s
	}
	s.ExitStatus = exit
	if count, ok := strings.CutPrefix(exit, "WARNINGS: "); ok {
		if n, err := strconv.Atoi(count); err == nil {
			s.Warnings = max(n, 1)
		}
	}
	return s
}

func (u UPID) path(suffix string) string {
	return "/nodes/" + url.PathEscape(u.Node) + "/tasks/" + escape(u.text) + suffix
}

// TaskStatus looks at a task once.
func (c *Client) TaskStatus(ctx context.Context, upid UPID) (TaskStatus, error) {
	var w struct {
		Status     wireText `json:"status"`
		ExitStatus wireText `json:"exitstatus"`
	}
	if err := c.get(ctx, upid.path("/status"), &w); err != nil {
		return TaskStatus{}, err
	}
	return newTaskStatus(upid, w.Status == "running", string(w.ExitStatus)), nil
}

// allLines asks for a whole log; without a limit PVE sends 50 lines.
const allLines = 1_000_000

// ClonedInto is the VMID that the log of a clone's task names, as it does from PVE 9 on (pve-api lab-findings §37), or 0.
func ClonedInto(log []string) VMID {
	for _, line := range log {
		var source, into VMID
		if n, _ := fmt.Sscanf(line, "creating a clone of VM %d with ID %d", &source, &into); n == 2 {
			return into
		}
	}
	return 0
}

// TaskLog returns the last lines of a task's log, or with tail ≤ 0 all of it.
// It costs a second request when the log is longer than tail.
func (c *Client) TaskLog(ctx context.Context, upid UPID, tail int) ([]string, error) {
	limit := tail
	if limit <= 0 {
		limit = allLines
	}
	lines, total, err := c.taskLog(ctx, upid, 0, limit)
	if err != nil || total <= limit {
		return lines, err
	}
	lines, _, err = c.taskLog(ctx, upid, total-limit, limit)
	return lines, err
}

// noLog begins the one line that 9 gives in place of the log of a task that has none (PVE::Tools, dump_logfile). Such is a worker that
// did not start.
const noLog = "unable to open file - "

// taskLog reads lines from the given one, counted from 0, and the log's length.
func (c *Client) taskLog(ctx context.Context, upid UPID, start, limit int) ([]string, int, error) {
	a, err := c.do(ctx, call{
		method: http.MethodGet, path: upid.path("/log"), readOnly: true,
		params: []Param{{"start", strconv.Itoa(start)}, {"limit", strconv.Itoa(limit)}},
	})
	if err != nil {
		return nil, 0, err
	}
	var w struct {
		Total wireInt         `json:"total"`
		Data  json.RawMessage `json:"data"`
	}
	var rows []struct {
		Text wireText `json:"t"`
	}
	if err := json.Unmarshal(a.body, &w); err != nil {
		return nil, 0, fmt.Errorf("reading log of task %v: %w", upid, err)
	}
	if err := json.Unmarshal(w.Data, &rows); err != nil {
		return nil, 0, fmt.Errorf("reading log of task %v: %w", upid, ErrNotFound) // 8 without a log: one object that says "unable to open file"
	}
	if len(rows) == 1 && strings.HasPrefix(string(rows[0].Text), noLog) {
		return nil, 0, fmt.Errorf("reading log of task %v: %w", upid, ErrNotFound)
	}
	lines := make([]string, len(rows))
	for i, row := range rows {
		lines[i] = string(row.Text)
	}
	return lines, int(w.Total), nil
}

// TaskFilter narrows a list of tasks; the zero filter lists all.
type TaskFilter struct {
	// Type is a kind of work, such as "qmclone".
	Type string
	// VMID is what the work is done to; for a clone the source.
	VMID VMID
	// Since leaves out tasks that began earlier, in whole seconds of the node's clock.
	Since time.Time
	// Limit is how many tasks to list, the running and the last ended ones first; 0 for all.
	Limit int
}

// taskPage is how many tasks are asked for at once: more than a lab makes in a life. PVE's own is 50.
const taskPage = 500

// Tasks lists tasks of a node, running and ended, newest first. A token sees
// its own tasks only, unless it holds Sys.Audit on the node.
func (c *Client) Tasks(ctx context.Context, node string, filter TaskFilter) ([]Task, error) {
	var tasks []Task
	seen := map[string]bool{}
	for start := 0; ; start += taskPage {
		rows, err := c.tasksFrom(ctx, node, filter, start)
		if err != nil {
			return nil, err
		}
		known := len(seen)
		for _, row := range rows {
			// A task that begins meanwhile moves the others on, so that they come again.
			if task, err := row.task(); err == nil && !seen[task.UPID.text] { // an ID that is no UPID is none that we were given
				tasks = append(tasks, task)
			}
			seen[string(row.UPID)] = true
		}
		if filter.Limit > 0 || len(rows) < taskPage || len(seen) == known {
			break
		}
	}
	slices.SortStableFunc(tasks, func(a, b Task) int { return b.UPID.StartTime.Compare(a.UPID.StartTime) })
	return tasks, nil
}

// tasksFrom reads a page of a list of tasks.
func (c *Client) tasksFrom(ctx context.Context, node string, filter TaskFilter, start int) ([]wireTask, error) {
	params := []Param{{"source", "all"}, {"limit", strconv.Itoa(cmp.Or(filter.Limit, taskPage))}}
	if start > 0 {
		params = append(params, Param{"start", strconv.Itoa(start)})
	}
	params = optional(params, "typefilter", filter.Type)
	if filter.VMID != 0 {
		params = append(params, Param{"vmid", filter.VMID.String()})
	}
	if !filter.Since.IsZero() {
		params = append(params, Param{"since", strconv.FormatInt(filter.Since.Unix(), 10)})
	}
	var rows []wireTask
	err := c.get(ctx, "/nodes/"+url.PathEscape(node)+"/tasks", &rows, params...)
	return rows, err
}

// wireTask is a row of a task list. Its user field is not read: active rows have
// "user@realm!token" there, ended ones the user alone. The UPID has it all.
type wireTask struct {
	UPID    wireText `json:"upid"`
	Status  wireText `json:"status"`
	EndTime wireInt  `json:"endtime"`
}

func (w wireTask) task() (Task, error) {
	upid, err := ParseUPID(string(w.UPID))
	if err != nil {
		return Task{}, err
	}
	running := w.EndTime == 0 && (w.Status == "" || strings.EqualFold(string(w.Status), "running"))
	task := newTaskStatus(upid, running, string(w.Status))
	if w.EndTime != 0 {
		task.Ended = time.Unix(int64(w.EndTime), 0).UTC()
	}
	return task, nil
}

// AbortTask ends a running task: PVE lets the worker clean up, for a clone by
// removing what it made, and takes up to 5 s to answer. Wait for the task then;
// it ends as failed.
func (c *Client) AbortTask(ctx context.Context, upid UPID) error {
	return c.send(ctx, call{method: http.MethodDelete, path: upid.path("")}, nil)
}
