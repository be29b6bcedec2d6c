package labrun

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"labctl/pkg/lab/change"
	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/journal"
	"labctl/pkg/lab/plan"
	"labctl/pkg/pve"
)

// Removed says what Down removed.
type Removed struct {
	VMs     int `json:"removed_vms"`
	Uploads int `json:"removed_uploads"`
	// Looked is how many VMIDs without a VM were proved to have no volume.
	Looked int `json:"proved_vmids"`
	// WasUp says that there was a lab run, if only in the journal.
	WasUp bool `json:"was_up"`
}

// Nothing says that there was nothing to do.
func (r Removed) Nothing() bool { return r == Removed{} }

// secondLook is when a lab without state is looked for again: a request of a process that was just killed takes a
// moment to show (pve-api lab-findings §36).
const secondLook = time.Second

// Down removes everything of the lab, with proof, and forgets the lab run. It needs no state: without a journal it finds
// the lab by its marks, and by what the server's task list tells of this token. The error holds an *change.LeftoverError for everything that may be left.
func (r *Run) Down(ctx context.Context) (Removed, error) {
	wasUp := r.Active()
	found, observed, uploads, err := r.find(ctx)
	if err != nil {
		return Removed{}, r.mayBeLeft(err)
	}
	if err := r.checkLeave(observed); err != nil {
		return Removed{}, err
	}
	r.tellStrange(observed)
	if (!wasUp || r.Journal.State().Damaged()) && len(observed.VMs)+len(uploads)+len(found.refs) > 0 {
		// What is not in the journal would not be remembered.
		if err := errors.Join(r.begin(found), r.noteUploads(uploads)); err != nil {
			return Removed{}, errors.Join(err, change.Leftovers(removalOf(r.Lab.Name, observed, r.Journal.State(), uploads), err))
		}
		if observed, err = r.observe(ctx); err != nil { // now with what the traces tell
			return Removed{}, r.mayBeLeft(err)
		}
	}
	removed, err := r.remove(ctx, observed, uploads)
	removed.WasUp = err == nil && (wasUp || removed.VMs > 0)
	return removed, err
}

// tellStrange tells of VMs that one would not expect. Who works on a lab from another state directory holds no lock here, and
// the mark has no more of that directory than a hash.
func (r *Run) tellStrange(observed inventory.Observed) {
	for _, other := range observed.Others {
		r.labs.Talk.Line("VM %d is of the lab %s that %s owns: left alone", other.Ref.ID, other.Mark.Lab, other.Mark.Owner)
	}
	for _, vm := range observed.VMs {
		if vm.Mark.State != "" && vm.Mark.State != r.labs.Store.ID() {
			r.labs.Talk.Line("VM %d was made from another state directory than %s: whoever measures there loses it", vm.Ref.ID, r.labs.Store.Root)
		}
	}
}

// checkLeave refuses to remove the lab when a person says of one of its VMs that it is somebody else's.
func (r *Run) checkLeave(observed inventory.Observed) error {
	for _, vm := range observed.VMs {
		if slices.Contains(r.labs.Leave, vm.Ref.ID.String()) {
			return fmt.Errorf("VM %s (%d) is to be left, and its notes carry the mark of lab %s: nothing was removed; take the mark out of its notes if it is not the lab's, or do not leave it",
				vm.Mark.VM, vm.Ref.ID, r.Lab.Name)
		}
	}
	return nil
}

// find waits until nothing is under way and looks for everything of the lab.
func (r *Run) find(ctx context.Context) (found traces, observed inventory.Observed, uploads []inventory.Upload, err error) {
	wasUp := r.Active()
	if found, err = r.settle(ctx, true); err != nil {
		return found, observed, nil, err
	}
	observed, err = r.observe(ctx)
	if err == nil && !wasUp && len(observed.VMs) == 0 {
		found, observed, err = r.lookAgain(ctx)
	}
	if err == nil {
		uploads, err = r.uploads(ctx)
	}
	return found, observed, uploads, err
}

// remove carries the removal out.
func (r *Run) remove(ctx context.Context, observed inventory.Observed, uploads []inventory.Upload) (Removed, error) {
	state := r.Journal.State()
	observed = r.labs.spare(r.Lab.Name, unfamiliar(observed, state))
	todo := removalOf(r.Lab.Name, observed, state, uploads)
	if err := errors.Join(r.executor().Down(ctx, todo), unreadable(observed), r.unasked()); err != nil {
		return Removed{}, err
	}
	removed := Removed{VMs: len(observed.VMs), Looked: len(observed.Gone)}
	for _, sequence := range todo.Sequences {
		if sequence.VMID == 0 {
			removed.Uploads++
		}
	}
	return removed, nil
}

// unfamiliar drops the VMIDs that only the server's task list speaks of and that somebody has by now: nothing says that
// they have to do with us, unless a worker was killed there.
func unfamiliar(observed inventory.Observed, state *journal.State) inventory.Observed {
	drop := func(ref pve.VMRef) bool {
		known := state.Known(int(ref.ID)) // by all nodes: a clone's task is not where its VM is
		return known.Listed && !known.Made() && !known.Killed
	}
	return withoutStrange(observed, drop)
}

// spare drops the VMIDs of which the person at work here knows that what has them, and lies under them, is somebody else's. No mark
// says otherwise of them; nothing else could end the doubt as long as that VM is there.
func (l *Labs) spare(lab string, observed inventory.Observed) inventory.Observed {
	drop := func(ref pve.VMRef) bool {
		spared := slices.Contains(l.Leave, ref.ID.String())
		if spared {
			l.Talk.Line("VM %d is not of lab %s: left alone", ref.ID, lab)
		}
		return spared
	}
	return withoutStrange(observed, drop)
}

// withoutStrange drops VMIDs that are known to the journal, and that something else has by now.
func withoutStrange(observed inventory.Observed, drop func(pve.VMRef) bool) inventory.Observed {
	observed.Foreign = slices.DeleteFunc(slices.Clone(observed.Foreign), drop)
	observed.Unreadable = slices.DeleteFunc(slices.Clone(observed.Unreadable), drop)
	return observed
}

// removalOf plans the removal of what was observed and of the uploads, with what the journal knows of them.
func removalOf(lab string, observed inventory.Observed, state *journal.State, uploads []inventory.Upload) plan.Plan {
	todo := plan.Down(lab, observed)
	for i := range todo.Sequences {
		sequence := &todo.Sequences[i]
		for _, known := range state.VMs {
			if known.VMID != sequence.VMID {
				continue
			}
			if sequence.VM == "" {
				sequence.VM = known.Name
			}
			if !state.Known(sequence.VMID).Made() && !sequence.Exists {
				sequence.Steps = []plan.Step{plan.Prove{LookOnly: true}}
			}
			if known.Node != sequence.Node && !slices.Contains(sequence.Formerly, known.Node) {
				sequence.Formerly = append(sequence.Formerly, known.Node)
			}
		}
	}
	free := func(name, node, volume string) {
		steps := []plan.Step{plan.Free{Volume: volume}}
		todo.Sequences = append(todo.Sequences, plan.Sequence{VM: name, Node: node, Exists: true, Steps: steps})
	}
	known := state.Uploads()
	for _, upload := range known {
		free(upload.VM, upload.Node, upload.Volume)
	}
	for _, upload := range uploads {
		if !slices.ContainsFunc(known, func(k journal.Upload) bool { return k.Node == upload.Node && k.Volume == upload.Volume.ID }) {
			free(upload.Name.For, upload.Node, upload.Volume.ID)
		}
	}
	return todo
}

// lookAgain looks for a lab without state once more, a moment later.
func (r *Run) lookAgain(ctx context.Context) (traces, inventory.Observed, error) {
	timer := time.NewTimer(secondLook)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return traces{}, inventory.Observed{}, context.Cause(ctx)
	}
	found, err := r.traces(ctx)
	if err != nil {
		return traces{}, inventory.Observed{}, err
	}
	observed, err := r.observe(ctx)
	return found, observed, err
}

// noteUploads writes files that were found into the journal, so that the next down knows of them when this one is killed.
func (r *Run) noteUploads(uploads []inventory.Upload) error {
	var all []error
	for _, upload := range uploads {
		intent, err := r.Journal.Intend(journal.Intent{Op: journal.OpUpload, VM: upload.Name.For, Node: upload.Node, Volume: upload.Volume.ID})
		all = append(all, err, r.Journal.Finished(intent, journal.ResultDone, nil))
	}
	return errors.Join(all...)
}

// uploads are the files of this lab on the storages, when there is no whole journal to tell of them.
func (r *Run) uploads(ctx context.Context) ([]inventory.Upload, error) {
	if r.Active() && !r.Journal.State().Damaged() {
		return nil, nil
	}
	var ours []inventory.Upload
	for _, node := range r.nodes() {
		if slices.Contains(r.silent, node) {
			continue
		}
		found, err := inventory.FindUploads(ctx, r.Server.API, node)
		if errors.Is(err, pve.ErrNotFound) {
			continue // the spec names a node that does not exist
		}
		if err != nil {
			return nil, err
		}
		for _, upload := range found {
			if upload.Name.Lab == r.Lab.Name && upload.Name.SameOwner(r.labs.Owner) {
				ours = append(ours, upload)
			}
		}
	}
	return ours, nil
}

// unasked turns nodes that did not answer into errors: nobody knows what of the lab is there.
func (r *Run) unasked() error {
	var all []error
	for _, node := range r.silent {
		all = append(all, &change.LeftoverError{
			VM: "lab " + r.Lab.Name, Ref: pve.VMRef{Node: node}, Err: errors.New("the node does not answer, and nothing else says what of the lab is there"),
		})
	}
	return errors.Join(all...)
}

// unreadable turns VMIDs that exist but cannot be read into errors with an operator's commands: a clone whose worker was
// killed looks like this (pve-api lab-findings §39).
func unreadable(observed inventory.Observed) error {
	var all []error
	for _, ref := range observed.Unreadable {
		all = append(all, &change.LeftoverError{
			VM: ref.ID.String(), Ref: ref, Unread: true,
			Err: errors.New("it exists, and this token may not read it: a clone that never ended, or somebody else's VM, which you leave with `labctl down --leave VMID`"),
		})
	}
	for _, ref := range observed.Unreachable {
		all = append(all, &change.LeftoverError{
			VM: ref.ID.String(), Ref: ref, Unread: true, Err: errors.New("its node does not answer, and it may be of the lab"),
		})
	}
	return errors.Join(all...)
}

// mayBeLeft says of everything that the journal knows that it may be left.
func (r *Run) mayBeLeft(err error) error {
	state := r.Journal.State()
	if !state.Active() {
		return err
	}
	var all []error
	for _, vm := range state.Touched() {
		all = append(all, &change.LeftoverError{VM: vm.Name, Ref: pve.VMRef{Node: vm.Node, ID: pve.VMID(vm.VMID)}, Unread: true, Err: err})
	}
	for _, upload := range state.Uploads() {
		all = append(all, &change.LeftoverError{VM: upload.VM, Ref: pve.VMRef{Node: upload.Node}, Volumes: []pve.Volume{{ID: upload.Volume}}, Err: err})
	}
	if len(all) == 0 {
		return err
	}
	return errors.Join(all...)
}

// Describe says in a sentence what was removed.
func (r Removed) Describe(lab string, took string) string {
	switch {
	case r.Nothing():
		return fmt.Sprintf("lab %s is not up: nothing to remove", lab)
	case !r.WasUp && r.Uploads == 0:
		return fmt.Sprintf("lab %s is not up: nothing to remove, and nothing of it is left under %d VMID(s) of its range that this token used lately", lab, r.Looked)
	case r.VMs == 0 && r.Uploads == 0:
		return fmt.Sprintf("lab %s is down: its VMs were gone, and no volume of theirs is left (%s)", lab, took)
	case r.VMs == 1:
		return fmt.Sprintf("lab %s is down: 1 VM removed in %s, and no volume of it is left", lab, took)
	default:
		return fmt.Sprintf("lab %s is down: %d VMs removed in %s, and no volume of theirs is left", lab, r.VMs, took)
	}
}
