package labrun

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"labctl/pkg/internal/pause"
	"labctl/pkg/lab/change"
	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/journal"
	"labctl/pkg/lab/teardown"
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

// Down removes everything of the lab, with proof, and forgets the lab run. It needs no state: without a journal it finds the
// lab by its marks, and by what the server's task list tells of this token. The error holds a *change.LeftoverError for
// everything that may be left, and an *ElsewhereError when the lab is up from another state directory only.
func (r *Run) Down(ctx context.Context) (Removed, error) {
	wasUp := r.Active()
	found, observed, uploads, err := r.find(ctx)
	if err != nil {
		return Removed{}, r.mayBeLeft(err)
	}
	all := teardown.Decide(observed, r.Journal.State(), r.labs.Words)
	if err := refused(r.Lab.Name, all); err != nil {
		return Removed{}, err
	}
	r.tell(observed, all)
	if (!wasUp || r.Journal.State().Damaged() || len(found.refs) > 0) && len(observed.VMs)+len(uploads)+len(found.refs) > 0 {
		// What is not in the journal would not be remembered.
		if err := errors.Join(r.begin(found), r.noteUploads(uploads)); err != nil {
			todo := teardown.Removal(r.Lab.Name, all, r.Journal.State(), uploads)
			return Removed{}, errors.Join(err, change.Leftovers(todo, err))
		}
		if observed, err = r.observe(ctx); err != nil { // now with what the task list tells
			return Removed{}, r.mayBeLeft(err)
		}
		all = teardown.Decide(observed, r.Journal.State(), r.labs.Words)
	}
	removed, err := r.remove(ctx, all, uploads)
	removed.WasUp = err == nil && (wasUp || removed.VMs > 0)
	if err == nil && !removed.WasUp && len(observed.Live) > 0 {
		err = &ElsewhereError{Lab: r.Lab.Name, VMs: observed.Live, Down: true}
	}
	return removed, err
}

// tell tells of VMs that are left alone, and of those that somebody may be measuring in.
func (r *Run) tell(observed inventory.Observed, all []teardown.Known) {
	for _, other := range observed.Others {
		r.labs.Talk.Line("VM %d is of the lab %s that %s owns: left alone", other.Ref.ID, other.Mark.Lab, other.Mark.Owner)
	}
	for _, known := range teardown.With(all, teardown.Keep) {
		if known.There == teardown.Live {
			r.labs.Talk.Line("VM %d is of run %s of lab %s, from another state directory: left alone", known.Ref.ID, known.VM.Mark.Run, r.Lab.Name)
			continue
		}
		r.labs.Talk.Line("VM %d is not of lab %s: left alone", known.Ref.ID, r.Lab.Name)
	}
	for _, vm := range observed.VMs {
		if vm.Mark.State != "" && !slices.Contains(r.labs.Store.IDs(), vm.Mark.State) {
			r.labs.Talk.Line("VM %d was made from another state directory than %s: whoever measures there loses it", vm.Ref.ID, r.labs.Store.Root)
		}
	}
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

// remove carries the decisions out.
func (r *Run) remove(ctx context.Context, all []teardown.Known, uploads []inventory.Upload) (Removed, error) {
	todo := teardown.Removal(r.Lab.Name, all, r.Journal.State(), uploads)
	if err := errors.Join(r.executor().Down(ctx, todo), reported(all), r.unasked()); err != nil {
		return Removed{}, err
	}
	removed := Removed{VMs: len(teardown.With(all, teardown.Remove)), Looked: len(teardown.With(all, teardown.Prove, teardown.Look))}
	for _, sequence := range todo.Sequences {
		if sequence.VMID == 0 {
			removed.Uploads++
		}
	}
	return removed, nil
}

// lookAgain looks for a lab without state once more, a moment later.
func (r *Run) lookAgain(ctx context.Context) (traces, inventory.Observed, error) {
	if err := pause.For(ctx, secondLook); err != nil {
		return traces{}, inventory.Observed{}, err
	}
	found, err := r.traces(ctx, allLogs)
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
			if r.self().OfUpload(upload.Name).Removable() {
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

// mayBeLeft says of everything that the journal knows that it may be left.
func (r *Run) mayBeLeft(err error) error {
	state := r.Journal.State()
	if !state.Active() {
		return err
	}
	var all []error
	for _, vm := range state.Touched() {
		all = append(all, &change.LeftoverError{VM: cmp.Or(vm.Name, strconv.Itoa(vm.VMID)), Ref: pve.VMRef{Node: vm.Node, ID: pve.VMID(vm.VMID)}, Unread: true, Err: err})
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
		return fmt.Sprintf("lab %s is not up: nothing to remove; %d VMID(s) that this token used lately were checked: nothing is left", lab, r.Looked)
	case r.VMs == 0 && r.Uploads == 0:
		return fmt.Sprintf("lab %s is down: its VMs were gone, and no volume of theirs is left (%s)", lab, took)
	case r.VMs == 1:
		return fmt.Sprintf("lab %s is down: 1 VM removed in %s, and no volume of it is left", lab, took)
	default:
		return fmt.Sprintf("lab %s is down: %d VMs removed in %s, and no volume of theirs is left", lab, r.VMs, took)
	}
}
