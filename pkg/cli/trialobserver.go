package cli

import (
	"fmt"
	"strings"
	"time"

	"labctl/pkg/bench/suite"
	"labctl/pkg/internal/ui"
	"labctl/pkg/results"
	"labctl/pkg/results/measure"
)

// trialObserver shows the suite's progress.
type trialObserver struct {
	talk    *ui.Progress
	seq, of int
	left    time.Duration // when the current trial began; then when it ended
}

// TrialStarted shows what runs and how much of the suite is left.
func (o *trialObserver) TrialStarted(planned suite.Planned, of int, left time.Duration) {
	o.seq, o.of, o.left = planned.Seq, of, left
	takes := planned.Workload.Job.Runtime()
	o.talk.Status(func(elapsed time.Duration) string {
		return fmt.Sprintf("[%d/%d] %s on %s: %s of %s; about %s left", planned.Seq, of, planned.Workload.Name, planned.Target,
			ui.Short(elapsed), ui.Short(takes), ui.Short(max(0, left-elapsed)))
	})
}

// TrialFinished prints the trial's numbers or its error.
func (o *trialObserver) TrialFinished(planned suite.Planned, trial results.Trial) {
	text := "failed: " + trial.Error
	if trial.Valid() {
		text = numbersOf(trial)
	}
	o.left = max(0, o.left-planned.Workload.Job.Runtime())
	if planned.Seq < o.of {
		text += fmt.Sprintf("; about %s left", ui.Short(o.left))
	}
	o.talk.Line("[%*d/%d] %-8s %-22s %s", len(fmt.Sprint(o.of)), planned.Seq, o.of, planned.Target, planned.Workload.Name, text)
}

// Resting shows the pause.
func (o *trialObserver) Resting(rest time.Duration) {
	done, of, left := o.seq, o.of, o.left
	o.talk.Status(func(elapsed time.Duration) string {
		return fmt.Sprintf("[%d/%d] done; about %s left; rest: %s of %s", done, of, ui.Short(max(0, left-elapsed)), ui.Short(elapsed), ui.Short(rest))
	})
}

// numbersOf is a trial's totals in one line.
func numbersOf(trial results.Trial) string {
	var parts []string
	for _, d := range trial.Measures.Directions() {
		iops, _ := trial.Measures.Get(d, measure.IOPS).Get()
		bandwidth, _ := trial.Measures.Get(d, measure.Bandwidth).Get()
		parts = append(parts, fmt.Sprintf("%s %.0f IOPS %.1f MiB/s", d, iops, bandwidth/measure.MiB))
	}
	if len(parts) == 0 {
		return "no I/O"
	}
	return strings.Join(parts, " ")
}
