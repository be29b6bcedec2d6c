package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"labctl/pkg/apply"
	"labctl/pkg/internal/ui"
	"labctl/pkg/inventory"
	"labctl/pkg/journal"
	"labctl/pkg/plan"
	"labctl/pkg/pve"
	"labctl/pkg/sandbox"
)

func newDown(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "down [LAB]",
		Short: "Remove everything of a lab and prove that nothing is left",
		Args:  exactLab,
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := a.loadLab(args)
			if err != nil {
				return err
			}
			return a.down(cmd.Context(), file, false)
		},
	}
}

// removed is what `down` prints as JSON.
type removed struct {
	Lab string `json:"lab"`
	VMs int    `json:"removed_vms"`
}

// down removes everything of a lab. A lab that does not exist is fine. Quiet keeps standard output for others.
func (a *app) down(ctx context.Context, file labFile, quiet bool) error {
	gone, err := a.sandboxGone(ctx, file.lab.Name)
	n := 0
	if err == nil && !gone {
		n, err = a.removeLab(ctx, file)
	}
	if err != nil || quiet || !a.json() {
		return err
	}
	return a.print(func(w io.Writer) error { return writeJSON(w, removed{Lab: file.lab.Name, VMs: n}) })
}

func (a *app) removeLab(ctx context.Context, file labFile) (int, error) {
	if err := a.repairJournal(file); err != nil {
		return 0, err
	}
	run, err := a.openLab(ctx, file)
	if err != nil {
		return 0, err
	}
	n, err := run.removeAll(ctx)
	if err == nil {
		err = a.stopIfUnused(ctx, run)
	}
	return n, errors.Join(err, run.close())
}

// sandboxGone ends the state of a lab whose sandbox does not run any more, and what is left of the sandbox.
func (a *app) sandboxGone(ctx context.Context, lab string) (gone bool, err error) {
	if a.flags.sandbox == "" {
		return false, nil
	}
	err = sandbox.Exclusive(ctx, a.sandboxDir(), func() error {
		_, err := sandbox.Find(a.sandboxDir())
		if gone = errors.Is(err, sandbox.ErrNotRunning); gone {
			err = a.forgetWithSandbox(ctx, lab)
		}
		return err
	})
	return gone, err
}

// forgetWithSandbox removes the state of a lab whose VMs went with the sandbox, and what a killed sandbox left.
func (a *app) forgetWithSandbox(ctx context.Context, lab string) (err error) {
	lock, err := journal.Acquire(a.labDir(lab) + ".lock")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	if err := sandbox.Sweep(ctx, a.sandboxDir()); err != nil {
		return err
	}
	_, err = os.Stat(filepath.Join(a.labDir(lab), journalFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		a.progress().Line("lab %s is not up: nothing to remove", lab)
		return nil
	case err != nil:
		return fmt.Errorf("looking for the lab's state: %w", err)
	}
	if err := removeAll(a.labDir(lab)); err != nil {
		return err
	}
	a.progress().Line("the sandbox has ended and lab %s with it: nothing is left", lab)
	return nil
}

// removeAll removes every VM of the lab, with proof, and forgets the lab run. It returns how many VMs there were.
func (r *labRun) removeAll(ctx context.Context) (int, error) {
	begun := time.Now()
	if err := r.reconcile(ctx); err != nil {
		return 0, r.mayBeLeft(err)
	}
	observed, err := r.observe(ctx)
	if err != nil {
		return 0, r.mayBeLeft(err)
	}
	for _, other := range observed.Others {
		r.app.progress().Line("VM %d is of the lab %s that %s owns: left alone", other.Ref.ID, other.Mark.Lab, other.Mark.Owner)
	}
	if len(observed.VMs) > 0 {
		if err := r.begin(); err != nil { // without a run in the journal, nothing of the removal would be remembered
			return 0, err
		}
	}
	todo := plan.Down(r.lab.Name, observed)
	r.nameGone(&todo)
	err = errors.Join(r.executor().Down(ctx, todo), unreadable(observed), foreign(observed), r.cleanHost(ctx))
	if err != nil {
		return 0, err
	}
	if err := r.forget(); err != nil {
		return 0, err
	}
	n, took := len(observed.VMs), ui.Short(time.Since(begun))
	switch {
	case len(todo.Sequences) == 0:
		r.app.progress().Line("lab %s is not up: nothing to remove", r.lab.Name)
	case n == 0:
		r.app.progress().Line("lab %s is down: its VMs were gone, and no volume of theirs is left (%s)", r.lab.Name, took)
	default:
		r.app.progress().Line("lab %s is down: %s removed in %s, and no volume of theirs is left", r.lab.Name, ui.Count(n, "VM"), took)
	}
	return n, nil
}

// nameGone gives the VMs that exist no more the names that the journal knows.
func (r *labRun) nameGone(todo *plan.Plan) {
	for _, known := range r.journal.State().VMs {
		for i := range todo.Sequences {
			if sequence := &todo.Sequences[i]; sequence.VM == "" && sequence.VMID == known.VMID {
				sequence.VM = known.Name
			}
		}
	}
}

// unreadable turns VMIDs that exist but cannot be read into errors with an operator's commands: a clone whose worker was
// killed looks like this (pve-api lab-findings §6).
func unreadable(observed inventory.Observed) error {
	var all []error
	for _, ref := range observed.Unreadable {
		all = append(all, &apply.LeftoverError{
			VM: ref.ID.String(), Ref: ref, Unread: true,
			Err: errors.New("it exists, and this token may not read it: a clone that never ended, or somebody else's VM"),
		})
	}
	return errors.Join(all...)
}

// foreign turns VMIDs of ours that somebody else has taken into errors: our volumes under them cannot be looked for.
func foreign(observed inventory.Observed) error {
	var all []error
	for _, ref := range observed.Foreign {
		all = append(all, &apply.LeftoverError{
			VM: ref.ID.String(), Ref: ref, Unproved: true,
			Err: errors.New("the VM there is somebody else's now and was left alone, so that nobody can tell whether volumes of ours are left"),
		})
	}
	return errors.Join(all...)
}

// mayBeLeft says of every VM that the journal knows that it may be left.
func (r *labRun) mayBeLeft(err error) error {
	state := r.journal.State()
	if !state.Active() || len(state.Touched()) == 0 {
		return err
	}
	var all []error
	for _, vm := range state.Touched() {
		all = append(all, &apply.LeftoverError{VM: vm.Name, Ref: pve.VMRef{Node: vm.Node, ID: pve.VMID(vm.VMID)}, Unread: true, Err: err})
	}
	return errors.Join(all...)
}

// stopIfUnused stops the sandbox when its last lab is gone.
func (a *app) stopIfUnused(ctx context.Context, run *labRun) error {
	if run.server == nil || run.server.sandbox == nil {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), stopTime, errors.New("gave up after "+stopTime.String()))
	defer cancel()
	return sandbox.Exclusive(ctx, a.sandboxDir(), func() error {
		labs, err := a.activeLabs()
		if err != nil || len(labs) > 0 {
			return err
		}
		return sandbox.Stop(ctx, a.sandboxDir())
	})
}

// stopTime bounds waiting for the end of the sandbox, and before it for others that start or stop one.
const stopTime = 2 * time.Minute
