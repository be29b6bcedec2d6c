package pvesim

import (
	"slices"
	"strconv"
	"strings"
)

// pathTask is the task of the path, if the caller may look at it.
func (k *call) pathTask() (*task, error) {
	id := k.params.text("upid")
	u, ok := parseUPID(id)
	if !ok {
		return nil, badParameter("upid", "unable to parse worker upid")
	}
	if !k.owns(u.user) && !k.holds("/nodes/"+k.node(), "Sys.Audit") {
		return nil, refused("/nodes/" + k.node() + ", Sys.Audit")
	}
	t, _ := k.taskByUPID(id)
	return t, nil
}

// owns reports whether a task of that user or token is the caller's own. A user owns the tasks of their tokens, a
// token only its own.
func (k *call) owns(owner string) bool {
	name, _, _ := strings.Cut(owner, "!")
	return owner == k.who.String() || k.who.token == "" && name == k.who.user
}

type taskStatus struct {
	UPID       string `json:"upid"`
	Node       string `json:"node"`
	PID        int    `json:"pid"`
	PStart     int64  `json:"pstart"`
	StartTime  int64  `json:"starttime"`
	Type       string `json:"type"`
	ID         string `json:"id"`
	User       string `json:"user"`
	TokenID    string `json:"tokenid,omitempty"`
	Status     string `json:"status"`
	ExitStatus string `json:"exitstatus,omitempty"`
}

// getTaskStatus is GET /nodes/{node}/tasks/{upid}/status.
func getTaskStatus(k *call) (any, error) {
	t, err := k.pathTask()
	if err != nil {
		return nil, err
	}
	if t == nil {
		return nil, badParameter("upid", "no such task")
	}
	s := taskStatus{
		UPID: t.upid, Node: t.node, PID: t.pid, PStart: t.pstart, StartTime: t.started.Unix(), Type: t.kind, ID: t.id,
		User: t.owner.user, TokenID: t.owner.token, Status: "running",
	}
	if !t.running() {
		s.Status, s.ExitStatus = "stopped", t.status
	}
	return s, nil
}

type logLine struct {
	N int    `json:"n"`
	T string `json:"t"`
}

// defaultLogLines is how much of a log is sent when no limit is given.
const defaultLogLines = 50

// getTaskLog is GET /nodes/{node}/tasks/{upid}/log. For an unknown task the data is an object instead of a list.
func getTaskLog(k *call) (any, error) {
	t, err := k.pathTask()
	if err != nil {
		return nil, err
	}
	if t == nil {
		return listing{data: logLine{1, errNoTaskFile}, total: 1}, nil
	}
	start, limit := k.params.number("start", 0), k.params.number("limit", defaultLogLines)
	lines := []logLine{}
	for i, text := range t.log {
		if i >= start && (limit == 0 || len(lines) < limit) {
			lines = append(lines, logLine{i + 1, text})
		}
	}
	if len(t.log) == 0 {
		return listing{data: []logLine{{1, "no content"}}, total: 1}, nil
	}
	return listing{data: lines, total: len(t.log)}, nil
}

// abortTask is DELETE /nodes/{node}/tasks/{upid}. The worker gets the chance to clean up.
func abortTask(k *call) (any, error) {
	id := k.params.text("upid")
	u, ok := parseUPID(id)
	if !ok {
		return nil, badParameter("upid", "unable to parse worker upid")
	}
	if !k.owns(u.user) && !k.holds("/nodes/"+k.node(), "Sys.Modify") {
		return nil, refused("/nodes/" + k.node() + ", Sys.Modify")
	}
	t, known := k.taskByUPID(id)
	if !known || !t.running() {
		return nil, nil
	}
	return nil, k.terminate(t)
}

// terminate is SIGTERM, a look each second for five seconds, and SIGKILL. What a killed worker's end looks like shows
// only when it was waited for (pve-common 9.2.1, RESTEnvironment.pm:406-423, kill_process_group).
func (k *call) terminate(t *task) error {
	const looks = 5
	t.worker.interrupt()
	for range looks {
		if !t.running() {
			return nil
		}
		if err := k.pass(k.ctx, k.timings.AbortGrace/looks); err != nil {
			return err
		}
	}
	k.killLater(t, k.timings.Reap)
	return nil
}

// taskRow is one row of a task list: a finished task, or a running one, which looks a little different.
type taskRow struct {
	UPID      string `json:"upid"`
	Node      string `json:"node"`
	PID       int    `json:"pid"`
	PStart    int64  `json:"pstart"`
	StartTime int64  `json:"starttime"`
	EndTime   int64  `json:"endtime,omitempty"`
	Type      string `json:"type"`
	ID        string `json:"id"`
	User      string `json:"user"`
	TokenID   string `json:"tokenid,omitempty"`
	Status    string `json:"status"`
	Saved     string `json:"saved,omitempty"`
}

func (t *task) row() taskRow {
	r := taskRow{
		UPID: t.upid, Node: t.node, PID: t.pid, PStart: t.pstart, StartTime: t.started.Unix(), Type: t.kind, ID: t.id,
	}
	if t.running() {
		r.User, r.Status, r.Saved = t.owner.String(), "RUNNING", "0"
		return r
	}
	r.User, r.TokenID, r.Status, r.EndTime = t.owner.user, t.owner.token, t.status, t.ended.Unix()
	return r
}

// listTasks is GET /nodes/{node}/tasks: finished tasks unless others are asked for, newest first.
func listTasks(k *call) (any, error) {
	source := k.params.text("source")
	start, limit := k.params.number("start", 0), k.params.number("limit", 50)
	seeAll := k.holds("/nodes/"+k.node(), "Sys.Audit")
	rows := []taskRow{}
	for _, t := range slices.Backward(k.tasks) {
		if t.node != k.node() || !seeAll && !k.owns(t.owner.String()) || !k.taskMatches(t) {
			continue
		}
		if t.running() && (source == "" || source == "archive") || !t.running() && source == "active" {
			continue
		}
		rows = append(rows, t.row())
	}
	total := len(rows)
	rows = rows[min(start, total):]
	if limit > 0 {
		rows = rows[:min(limit, len(rows))]
	}
	if total == 0 {
		return rows, nil // without a total, as recorded
	}
	return listing{data: rows, total: total}, nil
}

// taskMatches applies the filters of a task list.
func (k *call) taskMatches(t *task) bool {
	p := k.params
	switch {
	case p.has("vmid") && t.id != strconv.Itoa(k.vmid()):
		return false
	case p.has("typefilter") && t.kind != p.text("typefilter"):
		return false
	case p.has("userfilter") && !strings.Contains(strings.ToLower(t.owner.String()), strings.ToLower(p.text("userfilter"))):
		return false
	case p.has("since") && t.started.Unix() < int64(p.number("since", 0)):
		return false
	case p.has("until") && t.started.Unix() > int64(p.number("until", 0)):
		return false
	case p.flag("errors") && !t.failed():
		return false
	case p.has("statusfilter"):
		return slices.Contains(p.list("statusfilter"), t.outcome())
	}
	return true
}

// outcome is the kind of end by which tasks are filtered.
func (t *task) outcome() string {
	switch {
	case t.running():
		return "unknown"
	case t.status == "OK":
		return "ok"
	case strings.HasPrefix(t.status, "WARNINGS"):
		return "warning"
	}
	return "error"
}

// clusterTask is a task as the nodes broadcast it.
type clusterTask struct {
	UPID      string `json:"upid"`
	Node      string `json:"node"`
	StartTime int64  `json:"starttime"`
	EndTime   int64  `json:"endtime,omitempty"`
	Type      string `json:"type"`
	ID        string `json:"id"`
	User      string `json:"user"`
	TokenID   string `json:"tokenid,omitempty"`
	Status    string `json:"status,omitempty"`
	Saved     string `json:"saved"`
}

// listClusterTasks is GET /cluster/tasks. It compares users with tokens, so a token sees nothing.
func listClusterTasks(k *call) (any, error) {
	rows := []clusterTask{}
	for _, t := range slices.Backward(k.tasks) {
		if !k.holds("/nodes/"+t.node, "Sys.Audit") && t.owner.user != k.who.String() {
			continue
		}
		r := clusterTask{
			UPID: t.upid, Node: t.node, StartTime: t.started.Unix(), Type: t.kind, ID: t.id, User: t.owner.user,
			TokenID: t.owner.token, Status: t.status, Saved: "1",
		}
		if t.running() {
			r.Saved = "0"
		} else {
			r.EndTime = t.ended.Unix()
		}
		rows = append(rows, r)
	}
	return rows[:min(len(rows), 25)], nil
}
