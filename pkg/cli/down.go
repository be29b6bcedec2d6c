package cli

import (
	"context"
	"errors"
	"fmt"
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
			file, err := loadLab(args)
			if err != nil {
				return err
			}
			return a.down(cmd.Context(), file)
		},
	}
}

// down removes everything of a lab. A lab that does not exist is fine.
func (a *app) down(ctx context.Context, file labFile) error {
	if a.flags.sandbox != "" {
		gone, err := a.sandboxGone(file.lab.Name)
		if gone || err != nil {
			return err
		}
	}
	run, err := a.openLab(ctx, file)
	if err != nil {
		return err
	}
	err = run.removeAll(ctx)
	if err == nil {
		err = a.stopIfUnused(ctx, run)
	}
	return errors.Join(err, run.close())
}

// sandboxGone ends the state of a lab whose sandbox does not run any more: its VMs went with it.
func (a *app) sandboxGone(lab string) (bool, error) {
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

// removeAll removes every VM of the lab, with proof, and forgets the lab run.
func (r *labRun) removeAll(ctx context.Context) error {
	begun := time.Now()
	observed, err := r.observe(ctx)
	if err != nil {
		return err
	}
	todo := plan.Down(r.lab.Name, observed)
	for _, ref := range observed.Foreign {
		r.app.progress().Line("VMID %d is somebody else's now: left alone", ref.ID)
	}
	err = errors.Join(r.executor().Down(ctx, todo), unreadable(observed))
	if err != nil {
		return err
	}
	if err := r.forget(); err != nil {
		return err
	}
	if len(todo.Sequences) == 0 {
		r.app.progress().Line("lab %s is not up: nothing to remove", r.lab.Name)
		return nil
	}
	r.app.progress().Line("lab %s is down: %d VMs removed in %s, and no volume of theirs is left", r.lab.Name, len(todo.Sequences), ui.Short(time.Since(begun)))
	return nil
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
