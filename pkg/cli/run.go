package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"labctl/pkg/internal/ui"
	"labctl/pkg/lab/labrun"
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

// run is the whole job. The lab is removed even when the run is interrupted. However it ends, its last line says so.
func (a *app) run(ctx context.Context, spec labrun.Spec, options benchOptions, keep string) (err error) {
	if _, err := options.apply(spec.Lab); err != nil {
		return err
	}
	was, err := a.labStore().State(spec.Lab.Name)
	if err != nil {
		return err
	}
	parts := &runParts{lab: spec.Lab.Name, begun: time.Now()}
	a.lastWord = parts.line
	a.tearsDown = keep != keepAlways
	err = a.up(ctx, spec, upOptions{keep: keep != keepNever, quiet: true})
	parts.add("up", err)
	if now, stateErr := a.labStore().State(spec.Lab.Name); err != nil && (was.Active() || (stateErr == nil && !now.Active())) {
		// The lab was up before, from here or from elsewhere, and is not ours to remove; or up has removed what it made.
		parts.undone = !was.Active()
		return err
	}
	if err == nil {
		a.begun = time.Now() // the overhead is that of `bench`
		err = a.benchInTime(ctx, spec, options, parts)
	}
	if keep == keepAlways || (keep == keepOnFailure && err != nil) {
		a.progress().Line("%s", a.spellOut(fmt.Sprintf("lab %s is left up: remove it with `labctl down`", spec.Lab.Name)))
		parts.left = true
		return err
	}
	teardown, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), downTime, fmt.Errorf("gave up after %s", downTime))
	defer cancel()
	downErr := a.down(teardown, spec, true)
	parts.add("down", downErr)
	parts.removed = downErr == nil
	return errors.Join(err, downErr)
}

// benchInTime measures as long as --deadline leaves time for the removal.
func (a *app) benchInTime(ctx context.Context, spec labrun.Spec, options benchOptions, parts *runParts) error {
	work, stop := a.leaveTime(ctx, spec.Lab)
	defer stop()
	id, err := a.bench(work, spec, options)
	parts.results = id
	parts.add("bench", err)
	return err
}

// runParts are what became of the parts of a run, for its last line.
type runParts struct {
	lab     string
	begun   time.Time
	parts   []string
	results string // the ID of the recorded run; "" when nothing was recorded
	left    bool   // the lab was left up on purpose
	undone  bool   // up failed, and nothing that it made is left unless the exit code says so
	removed bool
}

func (p *runParts) add(part string, err error) {
	if err != nil {
		part += " failed"
	}
	p.parts = append(p.parts, part)
}

// line sums the run up: for a log that is read once a day.
func (p *runParts) line(code int) string {
	verdict, recorded, rest := "done", "nothing was recorded", "the lab was there before and is left alone"
	switch code {
	case exitDone:
	case exitInterrupted:
		verdict = "interrupted"
	default:
		verdict = "FAILED"
	}
	if p.results != "" {
		recorded = "results " + p.results
	}
	switch {
	case p.left:
		rest = "the lab is left up"
	case p.removed:
		rest = "the lab is removed with proof"
	case p.undone && code != exitLeftover:
		rest = "nothing of this run is left"
	case code == exitLeftover, len(p.parts) > 1:
		rest = "THE LAB IS OR MAY BE STILL THERE, see above"
	}
	return fmt.Sprintf("labctl: run %s %s (exit %d): %s; %s; %s; %s", p.lab, verdict, code, strings.Join(p.parts, ", "), recorded, rest,
		ui.Short(time.Since(p.begun)))
}
