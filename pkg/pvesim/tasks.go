package pvesim

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// task is one entry of a node's task list.
type task struct {
	upid     string
	node     string
	pid      int
	pstart   int64 // hundredths of a second since the node's boot
	kind     string
	id       string
	owner    identity
	started  time.Time // by the node's clock, as ended is
	ended    time.Time // zero while it runs
	status   string    // exit status once ended
	log      []string
	warnings int
	worker   *worker
	lost     bool // it is listed, and nothing else is known of it
}

// fork makes a task and starts its worker. It returns the UPID.
func (c *Cluster) fork(node, kind, id string, owner identity, steps ...step) *task {
	t := c.newTask(node, kind, id, owner)
	c.forgetOldTasks()
	c.tasks = append(c.tasks, t)
	c.logger.Info("task started", "upid", t.upid)
	before, kill := c.taskFault(t)
	c.begin(t, append(before, steps...)...)
	if kill != nil {
		kill()
	}
	return t
}

// newTask makes the entry of a task that begins now.
func (c *Cluster) newTask(node, kind, id string, owner identity) *task {
	c.lastPID += 1 + c.random.IntN(8)
	t := &task{
		node: node, pid: c.lastPID, pstart: c.clock.Sub(c.booted).Milliseconds() / 10,
		kind: kind, id: id, owner: owner, started: c.clock.Add(c.skew),
	}
	t.upid = fmt.Sprintf("UPID:%s:%08X:%08X:%08X:%s:%s:%s:", node, t.pid, t.pstart, t.started.Unix(), kind, id, owner)
	return t
}

// maxTasks is how many tasks are remembered; Proxmox VE rotates its lists too.
const maxTasks = 5000

func (c *Cluster) forgetOldTasks() {
	for len(c.tasks) >= maxTasks && !c.tasks[0].running() {
		c.tasks = c.tasks[1:]
	}
}

// end records how the worker finished.
func (t *task) end(c *Cluster, err error) {
	t.ended = c.clock.Add(c.skew)
	switch {
	case errors.Is(err, errKilled):
		t.status = errKilled.Error() // the log just stops
	case err != nil:
		t.status = strings.TrimSuffix(err.Error(), "\n")
		t.log = append(t.log, "TASK ERROR: "+t.status)
	case t.warnings > 0:
		t.status = fmt.Sprintf("WARNINGS: %d", t.warnings)
		t.log = append(t.log, "TASK "+t.status)
	default:
		t.status = "OK"
		t.log = append(t.log, "TASK OK")
	}
	c.logger.Info("task ended", "upid", t.upid, "status", t.status)
}

func (t *task) running() bool { return t.ended.IsZero() }

func (t *task) failed() bool {
	return !t.running() && t.status != "OK" && !strings.HasPrefix(t.status, "WARNINGS")
}

// upid is what a UPID says.
type upid struct {
	node, kind, id, user string
	pid                  int64
	pstart, started      int64
}

// parseUPID reads UPID:node:pid:pstart:starttime:type:id:user: with its hexadecimal numbers.
func parseUPID(s string) (upid, bool) {
	parts := strings.Split(s, ":")
	if len(parts) != 9 || parts[0] != "UPID" || parts[8] != "" || parts[1] == "" || parts[5] == "" || parts[7] == "" {
		return upid{}, false
	}
	u := upid{node: parts[1], kind: parts[5], id: parts[6], user: parts[7]}
	var errs [3]error
	u.pid, errs[0] = strconv.ParseInt(parts[2], 16, 64)
	u.pstart, errs[1] = strconv.ParseInt(parts[3], 16, 64)
	u.started, errs[2] = strconv.ParseInt(parts[4], 16, 64)
	short := len(parts[2]) < 8 || len(parts[3]) < 8 || len(parts[4]) < 8
	return u, !short && errors.Join(errs[:]...) == nil
}

func (c *Cluster) taskByUPID(s string) (*task, bool) {
	for _, t := range c.tasks {
		if t.upid == s && !t.lost {
			return t, true
		}
	}
	return nil, false
}
