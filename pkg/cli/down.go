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
	"labctl/pkg/plan"
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
	gone, err := a.sandboxGone(file.lab.Name)
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

// sandboxGone ends the state of a lab whose sandbox does not run any more: its VMs went with it.
func (a *app) sandboxGone(lab string) (bool, error) {
	if a.flags.sandbox == "" {
		return false, nil
	}
	_, err := sandbox.Find(a.sandboxDir())
	if !errors.Is(err, sandbox.ErrNotRunning) {
		return false, err
	}
	_, err = os.Stat(filepath.Join(a.labDir(lab), journalFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		a.progress().Line("lab %s is not up: nothing to remove", lab)
		return true, nil
	case err != nil:
		return true, fmt.Errorf("looking for the lab's state: %w", err)
	}
	a.progress().Line("the sandbox has ended and lab %s with it: nothing to remove", lab)
	return true, removeAll(a.labDir(lab))
}

// removeAll removes every VM of the lab, with proof, and forgets the lab run. It returns how many VMs there were.
func (r *labRun) removeAll(ctx context.Context) (int, error) {
	begun := time.Now()
	observed, err := r.observe(ctx)
	if err != nil {
		return 0, err
	}
	todo := plan.Down(r.lab.Name, observed)
	for _, ref := range observed.Foreign {
		r.app.progress().Line("VMID %d is somebody else's now: left alone", ref.ID)
	}
	r.nameGone(&todo)
	err = errors.Join(r.executor().Down(ctx, todo), unreadable(observed))
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
			VM: ref.ID.String(), Ref: ref,
			Err: errors.New("it exists, and this token may not read it: a clone that never ended, or somebody else's VM"),
		})
	}
	return errors.Join(all...)
}

// stopIfUnused stops the sandbox when its last lab is gone.
func (a *app) stopIfUnused(ctx context.Context, run *labRun) error {
	if run.server == nil || run.server.sandbox == nil {
		return nil
	}
	labs, err := a.activeLabs()
	if err != nil || len(labs) > 0 {
		return err
	}
	return sandbox.Stop(context.WithoutCancel(ctx), a.sandboxDir())
}
