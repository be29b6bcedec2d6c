package labrun

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/journal"
	"labctl/pkg/pve"
)

// traces are what the server's task list tells of a lab whose state is lost, or a part of it: the list is the token's own, and outlives
// every client.
type traces struct {
	refs   []pve.VMRef // VMIDs of the lab's range that this token worked on
	killed []pve.VMID  // of those, the ones where a worker may have been killed
}

// lookBack is how far back the task list is read. What the journals of past runs prove is not looked at again.
const lookBack = 30 * 24 * time.Hour

// traces waits for the tasks under way and reads those that ended. From a whole journal there is more to learn.
func (r *Run) traces(ctx context.Context) (traces, error) {
	tasks, err := r.awaitStrays(ctx)
	if err != nil {
		return traces{}, err
	}
	proved := r.proofs()
	var found traces
	var nameless []string // their nodes
	killed := false
	for _, task := range tasks {
		if proved.task(task) {
			continue
		}
		trace, err := r.traceOf(ctx, task)
		switch {
		case err != nil:
			return traces{}, err
		case trace.nameless:
			nameless = append(nameless, task.UPID.Node)
			killed = killed || trace.killed
		case trace.id != 0 && !proved.vmid(trace.id, task):
			found.add(pve.VMRef{Node: task.UPID.Node, ID: trace.id}, trace.killed)
		}
	}
	if len(nameless) > 0 {
		err = r.guess(ctx, &found, nameless, killed)
	}
	return found, err
}

// guess adds the VMIDs that failed clones may have had whose tasks do not tell: VMIDs are handed out from the lowest, so that
// volumes can be left under the first free ones, on the nodes of the tasks; and when a worker was killed, what is taken may be its
// clone.
func (r *Run) guess(ctx context.Context, found *traces, nodes []string, killed bool) error {
	free := len(nodes) + len(r.Lab.VMs)
	for id := pve.VMID(r.Lab.VMIDs.First); id <= pve.VMID(r.Lab.VMIDs.Last); id++ {
		taken, err := r.Server.API.VMIDTaken(ctx, id)
		if err != nil {
			return err
		}
		if !taken {
			free--
		}
		switch {
		case taken && killed:
			found.add(pve.VMRef{Node: nodes[0], ID: id}, true)
		case !taken && free >= 0:
			for _, node := range nodes {
				found.add(pve.VMRef{Node: node, ID: id}, false)
			}
		}
	}
	return nil
}

// awaitStrays waits for this token's running tasks that may be of the lab, and returns its tasks that ended lately.
func (r *Run) awaitStrays(ctx context.Context) ([]pve.Task, error) {
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
				if r.isOthers(ctx, task.UPID) {
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

// isOthers says that a running task is of another lab: a journal here says so, or its log does. It may take minutes to copy.
func (r *Run) isOthers(ctx context.Context, task pve.UPID) bool {
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
	return err == nil && into != 0 && !r.inRange(into)
}

// trace is what one task tells.
type trace struct {
	id       pve.VMID // 0: nothing of the lab
	killed   bool     // its worker was killed: no token can read what a clone or a creation left then (pve-api lab-findings §39)
	nameless bool     // a clone that failed, and does not say with which VMID
}

// traceOf reads a task that ended. A clone that ended well left a VM that is found by its mark. One that failed may have left
// volumes.
func (r *Run) traceOf(ctx context.Context, task pve.Task) (trace, error) {
	found := trace{killed: task.Killed()}
	if task.UPID.Type != "qmclone" {
		if _, err := fmt.Sscan(task.UPID.ID, &found.id); err != nil || !r.inRange(found.id) {
			return trace{}, nil //nolint:nilerr // an upload's task has no VMID
		}
		return found, nil
	}
	if !task.Failed() {
		return trace{}, nil
	}
	log, err := r.Server.API.TaskLog(ctx, task.UPID, 0)
	if err != nil && !errors.Is(err, pve.ErrNotFound) { // a node may list a task whose log is gone: it does not tell then
		return trace{}, err
	}
	switch found.id = pve.ClonedInto(log); {
	case found.id == 0:
		return trace{nameless: true, killed: found.killed}, nil
	case !r.inRange(found.id):
		return trace{}, nil
	}
	return found, nil
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
