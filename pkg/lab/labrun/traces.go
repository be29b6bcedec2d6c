package labrun

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/journal"
	"labctl/pkg/lab/plan"
	"labctl/pkg/pve"
)

// traces are what the server's task list tells of a lab whose state is lost, or a part of it: the list is the token's own, and outlives
// every client.
type traces struct {
	refs   []pve.VMRef // VMIDs of the lab's range that this token worked on
	killed []pve.VMID  // of those, the ones where a worker may have been killed
	unread []string    // nodes with failed clones whose logs were not read
}

// lookBack is how far back the task list is read. What the journals of past runs prove is not looked at again.
const lookBack = 30 * 24 * time.Hour

// The logs of so many failed clones are read: all, where state is lost and everything is to be removed; some, when a lab is removed
// that was brought up without state; none before it is brought up, which takes the VMIDs that they may have had.
const (
	allLogs  = 1000
	someLogs = 8
	noLogs   = 0
)

// traces waits for the tasks under way and reads those that ended and were not read before, with the logs of so many failed clones. From
// a whole journal there is more to learn.
func (r *Run) traces(ctx context.Context, logs int) (traces, error) {
	tasks, err := r.awaitStrays(ctx, logs == allLogs)
	if err != nil {
		return traces{}, err
	}
	return r.judge(ctx, tasks, logs)
}

// earlier are the traces of work that another run began before this one, of which the journal is whole: what ended since, and clones
// that had failed by then and whose logs were not read.
func (r *Run) earlier(ctx context.Context) (traces, error) {
	tasks, err := r.awaitStrays(ctx, true)
	if err != nil {
		return traces{}, err
	}
	state := r.Journal.State()
	begun := r.serverTime(state.BegunAt)
	var late, failed []pve.Task
	for _, task := range tasks {
		switch {
		case task.UPID.StartTime.After(begun.Add(clockDoubt)), isOfRun(task, state, begun):
		case !task.Ended.Before(begun.Add(-clockDoubt)):
			late = append(late, task)
		case task.UPID.Type == "qmclone":
			failed = append(failed, task)
		}
	}
	_, err = r.judge(ctx, late, allLogs)
	if err != nil {
		return traces{}, err
	}
	found, err := r.judge(ctx, failed, someLogs)
	found.refs = slices.DeleteFunc(slices.Clone(found.refs), func(ref pve.VMRef) bool {
		return slices.ContainsFunc(state.VMs, func(vm journal.VM) bool {
			return vm.Node == ref.Node && vm.VMID == int(ref.ID) && vm.Listed && (vm.Killed || !slices.Contains(found.killed, ref.ID))
		})
	})
	return found, err
}

// isOfRun says whether the run itself began the task. A configuration that PVE answers at once tells no task ID.
func isOfRun(task pve.Task, state *journal.State, begun time.Time) bool {
	var id int
	if _, err := fmt.Sscan(task.UPID.ID, &id); err == nil && task.UPID.Type != "qmclone" && state.Known(id).Made() {
		return !task.UPID.StartTime.Before(begun.Add(-clockDoubt))
	}
	return slices.Contains(state.Tasks, task.UPID.String())
}

// clockDoubt is how well the time of a run's beginning is known by the server's clock.
const clockDoubt = 3 * time.Second

// judge reads what tasks tell that ended, newest first.
func (r *Run) judge(ctx context.Context, tasks []pve.Task, logs int) (traces, error) {
	proved := r.proofs()
	found := r.found
	var unnamed suspects
	for _, task := range tasks {
		if proved.task(task) || r.read[task.UPID.String()] {
			continue
		}
		trace, err := r.traceOf(ctx, task, &logs)
		switch {
		case err != nil:
			return traces{}, err
		case trace.unread && !slices.Contains(found.unread, task.UPID.Node):
			found.unread = append(found.unread, task.UPID.Node)
		case trace.unread:
		case trace.nameless:
			unnamed.add(task.UPID.Node, trace)
		case trace.id != 0 && !proved.vmid(trace.id, task):
			found.add(pve.VMRef{Node: task.UPID.Node, ID: trace.id}, trace.killed)
		}
		if r.read == nil {
			r.read = map[string]bool{}
		}
		r.read[task.UPID.String()] = !trace.unread
	}
	err := r.guess(ctx, &found, unnamed)
	r.found = found
	return found, err
}

// suspects are failed clones that may have left something and do not tell under which VMID.
type suspects struct {
	nodes  []string
	clones int
	killed bool // a worker was killed
}

func (s *suspects) add(node string, trace trace) {
	if !slices.Contains(s.nodes, node) {
		s.nodes = append(s.nodes, node)
	}
	s.clones++
	s.killed = s.killed || trace.killed
}

// guess adds VMIDs for failed clones whose log does not name one (PVE 8). up takes VMIDs from the bottom, so that volumes can be left
// under the first free ones, on the nodes of the tasks. When a worker was killed, what is taken may be its clone.
func (r *Run) guess(ctx context.Context, found *traces, unnamed suspects) error {
	if len(unnamed.nodes) == 0 {
		return nil
	}
	free := unnamed.clones + len(r.Lab.VMs)
	for id := pve.VMID(r.Lab.VMIDs.First); id <= pve.VMID(r.Lab.VMIDs.Last) && (free > 0 || unnamed.killed); id++ {
		taken, err := r.Server.API.VMIDTaken(ctx, id)
		switch {
		case err != nil:
			return err
		case taken && unnamed.killed:
			found.add(pve.VMRef{Node: unnamed.nodes[0], ID: id}, true)
		case !taken && free > 0:
			free--
			for _, node := range unnamed.nodes {
				found.add(pve.VMRef{Node: node, ID: id}, false)
			}
		}
	}
	return nil
}

// awaitStrays waits for this token's running tasks that may be of the lab, and returns its tasks that ended lately. Unless all are to be
// waited for, clones are left running of which nothing tells that they are the lab's: labs that are brought up side by side need not
// wait for each other.
func (r *Run) awaitStrays(ctx context.Context, all bool) ([]pve.Task, error) {
	var ended []pve.Task
	for _, node := range r.nodes() {
		if slices.Contains(r.silent, node) {
			continue
		}
		tasks, err := r.Server.API.Tasks(ctx, node, pve.TaskFilter{Since: r.serverTime(time.Now()).Add(-lookBack)})
		if errors.Is(err, pve.ErrNotFound) {
			continue // the spec names a node that does not exist
		}
		if inventory.NodeSilent(err) {
			r.silent = append(r.silent, node)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("listing the tasks of node %s: %w", node, err)
		}
		for _, task := range tasks {
			if task.UPID.User != r.Server.TokenID || !r.mayConcern(task) {
				continue
			}
			if task.Running {
				if r.isOthers(ctx, task.UPID, all) {
					continue
				}
				if task, err = r.awaitStray(ctx, task); err != nil {
					return nil, err
				}
			}
			ended = append(ended, task)
		}
	}
	return ended, nil
}

// awaitStray waits for the end of a task. How it ends does not matter: what it left is looked at.
func (r *Run) awaitStray(ctx context.Context, task pve.Task) (pve.Task, error) {
	r.labs.Talk.Line("waiting for task %s, which an earlier or another labctl began", task.UPID.Type)
	last, err := r.Server.API.Wait(ctx, task.UPID, nil)
	if last.Running {
		return last, err // it may go on
	}
	last.Ended = r.serverTime(time.Now())
	return last, nil
}

// mayConcern says whether a task may be of the lab: clones are filed under their source.
func (r *Run) mayConcern(task pve.Task) bool {
	var id int
	if _, err := fmt.Sscan(task.UPID.ID, &id); err != nil {
		return strings.HasPrefix(task.UPID.Type, "img")
	}
	if task.UPID.Type == "qmclone" {
		return len(r.Lab.Template.VMIDs()) == 0 || slices.Contains(r.Lab.Template.VMIDs(), id)
	}
	return r.inRange(pve.VMID(id))
}

func (r *Run) inRange(id pve.VMID) bool {
	return id >= pve.VMID(r.Lab.VMIDs.First) && id <= pve.VMID(r.Lab.VMIDs.Last)
}

// isOthers says that a running task is of another lab: a journal here says so, or its log does. It may take minutes to copy. Where
// neither tells, as on PVE 8, the answer is the given one's opposite.
func (r *Run) isOthers(ctx context.Context, task pve.UPID, ours bool) bool {
	labs, _ := r.labs.Store.Labs() // without them, all are waited for
	for _, lab := range labs {
		state, err := r.labs.Store.State(lab)
		if err == nil && lab != r.Lab.Name && state.Active() && slices.Contains(state.Tasks, task.String()) {
			return true
		}
	}
	if task.Type != "qmclone" {
		return false
	}
	log, err := r.Server.API.TaskLog(ctx, task, 0)
	into := pve.ClonedInto(log)
	if err != nil || into == 0 {
		return !ours
	}
	return !r.inRange(into)
}

// trace is what one task tells.
type trace struct {
	id       pve.VMID // 0: nothing of the lab
	killed   bool     // its worker was killed: no token can read what a clone or a creation left then (pve-api lab-findings §39)
	nameless bool     // a clone that failed, and does not say with which VMID
	unread   bool     // a clone that failed, and whose log was not read
}

// traceOf reads a task that ended. A clone that ended well left a VM that is found by its mark. One that failed may have left
// volumes.
func (r *Run) traceOf(ctx context.Context, task pve.Task, logs *int) (trace, error) {
	found := trace{killed: task.Killed()}
	if task.UPID.Type != "qmclone" {
		if _, err := fmt.Sscan(task.UPID.ID, &found.id); err != nil || !r.inRange(found.id) {
			return trace{}, nil //nolint:nilerr // an upload's task has no VMID
		}
		return found, nil
	}
	switch {
	case !task.Failed(), !found.killed && !strings.HasPrefix(task.ExitStatus, tookBack):
		return trace{}, nil // it failed before it made anything
	case *logs <= 0 && !found.killed:
		return trace{unread: true}, nil
	}
	*logs--
	log, err := r.Server.API.TaskLog(ctx, task.UPID, 0)
	if err != nil && !errors.Is(err, pve.ErrNotFound) { // a node may list a task whose log is gone: it does not tell then
		return trace{}, err
	}
	switch found.id = pve.ClonedInto(log); {
	case !found.killed && err == nil && isClean(log):
		return trace{}, nil
	case found.id == 0:
		found.nameless = true
	case !r.inRange(found.id):
		return trace{}, nil
	}
	return found, nil
}

// tookBack begins the exit status of a clone that removed what it had made (API2/Qemu.pm, clone_vm); before that it makes nothing.
const tookBack = "clone failed: "

// ordinary matches what the log of a clone says while all goes well, and its end. A clean-up that could not remove a volume says so in another
// line.
var ordinary = regexp.MustCompile(`^(?:creating a clone of VM |create (?:full|linked) clone of drive |allocated target volume |transferred |trying to acquire lock|\s*OK$|TASK ERROR: |\s*$)`)

// isClean says whether the log of a failed clone has nothing but ordinary lines.
func isClean(log []string) bool {
	return len(log) > 0 && !slices.ContainsFunc(log, func(line string) bool { return !ordinary.MatchString(line) })
}

// under adds the VMIDs that a plan takes, as those of failed clones whose logs were not read.
func (t *traces) under(todo plan.Plan) {
	for _, sequence := range todo.Sequences {
		for _, node := range t.unread {
			t.add(pve.VMRef{Node: node, ID: pve.VMID(sequence.VMID)}, false)
		}
	}
}

func (t *traces) add(ref pve.VMRef, killed bool) {
	if !t.has(ref) {
		t.refs = append(t.refs, ref)
	}
	if killed {
		t.killed = append(t.killed, ref.ID)
	}
}

// has says whether the VMID is known from the task list of that node: each has storages of its own.
func (t traces) has(ref pve.VMRef) bool { return slices.Contains(t.refs, ref) }

// note writes the traces into the journal, as part of the run: only the journal remembers.
func (r *Run) note(found traces) error {
	var all []error
	for _, ref := range found.refs {
		all = append(all, r.Journal.List(journal.Listed{Node: ref.Node, VMID: int(ref.ID), Killed: slices.Contains(found.killed, ref.ID)}))
	}
	return errors.Join(all...)
}
