package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"labctl/pkg/labrun"
)

// The values of `run --keep`.
const (
	keepNever     = "never"
	keepOnFailure = "on-failure"
	keepAlways    = "always"
)

// downTime bounds the teardown of an interrupted `run`.
const downTime = 30 * time.Minute

func newRun(a *app) *cobra.Command {
	var keep string
	var options benchOptions
	cmd := &cobra.Command{
		Use:   "run [LAB]",
		Short: "Bring a lab up, run its suite, show the report and remove the lab again, whatever happens in between",
		Args:  exactLab,
		RunE: func(cmd *cobra.Command, args []string) error {
			if keep != keepNever && keep != keepOnFailure && keep != keepAlways {
				return usagef("--keep %s: use never, on-failure or always", keep)
			}
			file, err := a.loadLab(args)
			if err != nil {
				return err
			}
			return a.run(cmd.Context(), file, options, keep)
		},
	}
	options.addFlags(cmd)
	cmd.Flags().StringVar(&keep, "keep", keepNever, "leave the lab up: `when` is never, on-failure or always")
	return cmd
}

// run is the whole job. The lab is removed even when the run is interrupted.
func (a *app) run(ctx context.Context, file labrun.Spec, options benchOptions, keep string) error {
	if _, err := options.apply(file.Lab); err != nil {
		return err
	}
	was, err := a.labStore().State(file.Lab.Name)
	if err != nil {
		return err
	}
	a.tearsDown = keep != keepAlways
	err = a.up(ctx, file, upOptions{keep: keep != keepNever, quiet: true})
	if err != nil && was.Active() {
		return err // the lab was up before and is not ours to remove: another labctl may be working on it
	}
	if err == nil {
		a.begun = time.Now() // the overhead is that of `bench`
		err = a.bench(ctx, file, options)
	}
	if keep == keepAlways || (keep == keepOnFailure && err != nil) {
		a.progress().Line("%s", a.spellOut(fmt.Sprintf("lab %s is left up: remove it with `labctl down`", file.Lab.Name)))
		return err
	}
	teardown, cancel := context.WithTimeout(context.WithoutCancel(ctx), downTime)
	defer cancel()
	return errors.Join(err, a.down(teardown, file, true))
}
