package labrun

import (
	"os"
	"path/filepath"
	"time"

	"labctl/pkg/lab/journal"
	"labctl/pkg/pve"
)

// proofs are what the journals of past runs, of whatever lab, prove to be gone, by the server's clock.
type proofs struct {
	tasks map[string]bool        // those that a run began itself, by UPID
	vmids map[pve.VMID]time.Time // until when nothing was left under each
	last  time.Time              // when the last run of this lab ended; one that began without state looked at all traces
}

// task says whether a run that ended well has seen to what the task did.
func (p proofs) task(task pve.Task) bool {
	return p.tasks[task.UPID.String()] || (task.UPID.Type == "qmclone" && task.Ended.Before(p.last))
}

// vmid says whether nothing was left under the VMID after the task.
func (p proofs) vmid(id pve.VMID, task pve.Task) bool { return task.Ended.Before(p.vmids[id]) }

// proofs reads the journals of past runs.
func (r *Run) proofs() proofs {
	proved := proofs{tasks: map[string]bool{}, vmids: map[pve.VMID]time.Time{}}
	paths, err := filepath.Glob(filepath.Join(r.labs.Store.past(), "*.jsonl"))
	if err != nil {
		return proved
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil || time.Since(info.ModTime()) > lookBack {
			continue
		}
		state, err := journal.Read(path)
		if err != nil || !state.Ended || state.Run == nil || (state.Run.Server != r.Server.URL && !r.Server.Passing) {
			continue // it proves nothing, or nothing of this server
		}
		proved.add(state, r.Lab.Name, r.endOf(state))
	}
	return proved
}

// add takes in what a run proves that ended at that time.
func (p *proofs) add(state *journal.State, lab string, ended time.Time) {
	for _, task := range state.Tasks {
		p.tasks[task] = true
	}
	if state.Run.Lab == lab && !state.Run.Collected && ended.After(p.last) {
		p.last = ended
	}
	for _, vm := range state.Touched() {
		if id := pve.VMID(vm.VMID); ended.After(p.vmids[id]) {
			p.vmids[id] = ended
		}
	}
}

// endOf is when a past run ended by the server's clock, or earlier; the zero time when nothing is known of that clock, or
// ours was set back since.
func (r *Run) endOf(state *journal.State) time.Time {
	ahead, known := r.Server.API.Ahead()
	if !known || state.EndedAt.After(time.Now()) {
		return time.Time{}
	}
	return state.EndedAt.Add(-max(0, ahead, state.Ahead())).Truncate(time.Second) // as the ends of tasks are
}

// serverTime is a time of now by the server's clock, as far as that is known.
func (r *Run) serverTime(ours time.Time) time.Time {
	ahead, _ := r.Server.API.Ahead()
	return ours.Add(-ahead)
}
