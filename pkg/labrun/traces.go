package labrun

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"labctl/pkg/journal"
	"labctl/pkg/plan"
	"labctl/pkg/pve"
)

// traces are what the server's task list tells of a lab whose state is lost: the list is the token's own, and outlives
// every client.
type traces struct {
	refs   []pve.VMRef // VMIDs of the lab's range that this token worked on
	killed []pve.VMID  // of those, the ones where a clone's worker may have been killed
}

// lookBack is how far back the task list is read.
const lookBack = Lifetime

// traces waits for the tasks under way and reads those that ended. With a journal there is nothing to learn.
func (r *Run) traces(ctx context.Context) (traces, error) {
	if r.Active() {
		return traces{}, nil
	}
	tasks, err := r.awaitStrays(ctx)
	if err != nil {
		return traces{}, err
	}
	proved := r.provedUntil()
	var found traces
	for _, task := range tasks {
		ids, killed, err := r.touchedBy(ctx, task)
		if err != nil {
			return traces{}, err
		}
		for _, id := range ids {
			if task.Ended.Before(proved[id]) {
				continue
			}
			if ref := (pve.VMRef{Node: task.UPID.Node, ID: id}); !found.has(ref) {
				found.refs = append(found.refs, ref)
			}
			if killed {
				found.killed = append(found.killed, id)
			}
		}
	}
	return found, nil
}

// awaitStrays waits for this token's running tasks that may be of the lab, and returns its tasks that ended lately.
func (r *Run) awaitStrays(ctx context.Context) ([]pve.Task, error) {
	var ended []pve.Task
	for _, node := range r.nodes() {
		tasks, err := r.Server.API.Tasks(ctx, node, pve.TaskFilter{Since: time.Now().Add(-lookBack)})
		if err != nil {
			return nil, fmt.Errorf("listing the tasks of node %s: %w", node, err)
		}
		for _, task := range tasks {
			if task.UPID.User != r.Server.TokenID || !r.mayConcern(task) {
				continue
			}
			if task.Running {
				r.labs.Talk.Line("waiting for task %s of an earlier labctl", task.UPID.Type)
				// How it ends does not matter: what it left is looked at.
				last, err := r.Server.API.Wait(ctx, task.UPID, nil)
				if err != nil && ctx.Err() != nil {
					return nil, err
				}
				task = last
				task.Ended = time.Now()
			}
			ended = append(ended, task)
		}
	}
	return ended, nil
}

// mayConcern says whether a task may be of the lab: clones are filed under their source.
func (r *Run) mayConcern(task pve.Task) bool {
	var id int
	if _, err := fmt.Sscan(task.UPID.ID, &id); err != nil {
		return strings.HasPrefix(task.UPID.Type, "img")
	}
	if task.UPID.Type == "qmclone" {
		return r.Lab.Template.VMID == 0 || id == r.Lab.Template.VMID
	}
	return r.inRange(pve.VMID(id))
}

func (r *Run) inRange(id pve.VMID) bool {
	return id >= pve.VMID(r.Lab.VMIDs.First) && id <= pve.VMID(r.Lab.VMIDs.Last)
}

// touchedBy says which VMIDs of the lab a task that ended worked on. A clone that ended in order left a VM that is found by
// its mark, or nothing. One whose worker was killed left a VM that no token can read (pve-api lab-findings §39); from 9 on its log names the VMID, before that it can be any of the range.
func (r *Run) touchedBy(ctx context.Context, task pve.Task) (ids []pve.VMID, killed bool, err error) {
	var id pve.VMID
	switch {
	case task.UPID.Type != "qmclone":
		if _, err := fmt.Sscan(task.UPID.ID, &id); err != nil || !r.inRange(id) {
			return nil, false, nil //nolint:nilerr // an upload's task has no VMID
		}
		return []pve.VMID{id}, false, nil
	case task.ExitStatus != workerKilled:
		return nil, false, nil
	}
	log, err := r.Server.API.TaskLog(ctx, task.UPID, 0)
	if err != nil {
		return nil, false, err
	}
	for _, line := range log {
		var source pve.VMID
		if n, _ := fmt.Sscanf(line, "creating a clone of VM %d with ID %d", &source, &id); n == 2 {
			return slices.DeleteFunc([]pve.VMID{id}, func(id pve.VMID) bool { return !r.inRange(id) }), true, nil
		}
	}
	for id := pve.VMID(r.Lab.VMIDs.First); id <= pve.VMID(r.Lab.VMIDs.Last); id++ {
		taken, err := r.Server.API.VMIDTaken(ctx, id)
		if err != nil {
			return nil, false, err
		}
		if taken {
			ids = append(ids, id)
		}
	}
	return ids, true, nil
}

// workerKilled is the exit status of a task whose worker died (PVE::Tools, upid_read_status).
const workerKilled = "unexpected status"

// has says whether the VMID is known from the task list.
func (t traces) has(ref pve.VMRef) bool {
	return slices.ContainsFunc(t.refs, func(known pve.VMRef) bool { return known.ID == ref.ID })
}

// lookOnly makes the proofs for VMIDs that only the task list knows remove nothing.
func (t traces) lookOnly(todo *plan.Plan) {
	for i, sequence := range todo.Sequences {
		if sequence.Exists || !t.has(pve.VMRef{ID: pve.VMID(sequence.VMID)}) {
			continue
		}
		for j, step := range sequence.Steps {
			if _, ok := step.(plan.Prove); ok {
				todo.Sequences[i].Steps[j] = plan.Prove{LookOnly: true}
			}
		}
	}
}

// provedUntil says for each VMID until when the journals of past runs of this lab prove that nothing was left.
func (r *Run) provedUntil() map[pve.VMID]time.Time {
	proved := map[pve.VMID]time.Time{}
	paths, err := filepath.Glob(filepath.Join(r.labs.Store.past(), r.Lab.Name+"-*.jsonl"))
	if err != nil {
		return proved
	}
	for _, path := range paths {
		state, err := journal.Read(path)
		if err != nil || !state.Ended {
			continue // it proves nothing
		}
		for _, vm := range state.VMs {
			if id := pve.VMID(vm.VMID); state.EndedAt.After(proved[id]) {
				proved[id] = state.EndedAt
			}
		}
	}
	return proved
}
