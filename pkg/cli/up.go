package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"labctl/pkg/internal/ui"
	"labctl/pkg/lab/labrun"
)

// upOptions are the flags of `up`.
type upOptions struct {
	keepGoing, keep bool
	quiet           bool // nothing on standard output: `up` is a part of `run`
}

func (o *upOptions) addFlags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.keepGoing, "keep-going", false, "the failure of one VM does not stop the others")
	cmd.Flags().BoolVar(&o.keep, "keep", false, "leave what was made when something fails, for a look at it")
}

func newUp(a *app) *cobra.Command {
	var options upOptions
	cmd := &cobra.Command{
		Use:   "up [LAB]",
		Short: "Bring a lab up: clone, configure and start its VMs and wait until they can be measured",
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := a.loadLab(args)
			if err != nil {
				return err
			}
			return a.up(cmd.Context(), file, options)
		},
	}
	options.addFlags(cmd)
	return cmd
}

// up brings a lab up, or does what is left to do. What a failure leaves behind is removed again.
func (a *app) up(ctx context.Context, spec labrun.Spec, options upOptions) error {
	begun := time.Now()
	run, err := a.openLab(ctx, spec)
	if err != nil {
		return err
	}
	a.mayLeave(spec.Lab.Name)
	work, stop := a.leaveTime(ctx, spec.Lab)
	defer stop()
	if err := run.cleanHost(work); err != nil { // it may write to the disk of a VM that up would start
		return errors.Join(err, run.Close())
	}
	changed, err := run.Up(work, labrun.UpOptions{Readiness: &readiness{run: run}, Keep: options.keep, KeepGoing: options.keepGoing})
	switch {
	case err != nil:
		if changed && !options.quiet && !run.Active() {
			a.lastWord = func(int) string { return "labctl: lab " + spec.Lab.Name + " is down again: nothing of this up is left" }
		}
		if (options.keep || options.keepGoing) && changed && !options.quiet && run.Active() {
			kept := a.spellOut("labctl: what was made of lab " + spec.Lab.Name + " is left: `labctl up` goes on with it, `labctl down` removes it")
			a.lastWord = func(int) string { return kept }
		}
		return errors.Join(err, run.closeFailed(ctx, changed))
	case !changed:
		a.progress().Line("lab %s is up already; nothing to change", run.Lab.Name)
	default:
		a.progress().Line("lab %s is up: %s in %s", run.Lab.Name, ui.Count(len(run.Lab.VMs), "VM"), ui.Short(time.Since(begun)))
	}
	err = run.learnSteps()
	if a.json() && !options.quiet {
		err = errors.Join(err, a.status(ctx, spec, false))
	}
	return errors.Join(err, run.Close())
}

// learnSteps keeps how long the VMs' steps took, for the results.
func (r *labRun) learnSteps() error {
	var err error
	for _, vm := range r.Lab.VMs {
		if facts := r.steps.facts(vm.Name); len(facts) > 0 {
			err = errors.Join(err, r.Journal.Learn(vm.Name, facts))
		}
	}
	return err
}
