package suite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"labctl/pkg/internal/pause"
	"labctl/pkg/labspec"
	"labctl/pkg/remote"
	"labctl/pkg/results"
)

// Machine is a connected target; *remote.Host is one.
type Machine interface {
	Run(ctx context.Context, command remote.Command) (remote.Output, error)
	RunDetached(ctx context.Context, command remote.Detached) (remote.DetachedResult, error)
	StopDetached(ctx context.Context, id string) error
}

// Target is where fio runs.
type Target struct {
	Machine   Machine
	Directory string // fio's working directory, on the storage that is measured
	Fio       string // path of the fio to run; "" is the one that the target has
}

// Recorder keeps trials; *results.Writer is one.
type Recorder interface {
	Record(trial results.Trial, outputs ...results.Output) (results.Trial, error)
}

// Observer is told what happens.
type Observer interface {
	// TrialStarted is called before a trial; left is the least time that the rest of the suite takes, this trial included.
	TrialStarted(planned Planned, of int, left time.Duration)
	// TrialFinished is called with what was recorded.
	TrialFinished(planned Planned, trial results.Trial)
	// Resting is called before the pause between two trials.
	Resting(rest time.Duration)
}

// Journal remembers which processes may run on the targets, so that those of a killed labctl can be ended; *journal.Journal
// is one.
type Journal interface {
	Detach(target, id string) error
	Attached(id string) error
}

// Runner runs a schedule.
type Runner struct {
	RunID    string // makes the names of this run's processes unique on the targets
	Targets  map[string]Target
	Rest     time.Duration
	Files    labspec.FilePolicy
	Recorder Recorder
	Journal  Journal
	Observer Observer
}

// Spent is what a schedule's run was made of.
type Spent struct {
	Fio  time.Duration // by the targets' clocks
	Rest time.Duration
}

// FailedError says that trials of a run gave no numbers. The others are recorded.
type FailedError struct{ Failures []results.Trial }

// Error names every failed trial with its reason.
func (e *FailedError) Error() string {
	text := fmt.Sprintf("%d trial(s) gave no numbers:", len(e.Failures))
	for _, trial := range e.Failures {
		text += fmt.Sprintf("\n  %s on %s (trial %d): %s", trial.Workload, trial.Target, trial.Seq, trial.Error)
	}
	return text
}

// Run runs the schedule to its end. A trial that fails is recorded with its error and the run goes on, except on a target that
// cannot be reached any more: its remaining trials are skipped. When ctx ends, the running fio is ended too. The error is a
// *FailedError, or what kept trials from being recorded.
func (r *Runner) Run(ctx context.Context, schedule []Planned) (Spent, error) {
	var spent Spent
	var failed []results.Trial
	lost := map[string]error{}
	for i, planned := range schedule {
		if i > 0 && lost[planned.Target] == nil {
			if err := r.rest(ctx, &spent); err != nil {
				return spent, err
			}
		}
		r.Observer.TrialStarted(planned, len(schedule), Estimate(schedule[i:], r.Rest))
		trial, err := r.trial(ctx, planned, lost)
		if err != nil {
			return spent, err
		}
		spent.Fio += time.Duration(trial.FioElapsed)
		r.Observer.TrialFinished(planned, trial)
		if trial.Error != "" {
			failed = append(failed, trial)
		}
	}
	if len(failed) > 0 {
		return spent, &FailedError{Failures: failed}
	}
	return spent, nil
}

// rest waits between two trials.
func (r *Runner) rest(ctx context.Context, spent *Spent) error {
	if r.Rest <= 0 {
		return nil
	}
	r.Observer.Resting(r.Rest)
	begun := time.Now()
	if err := pause.For(ctx, r.Rest); err != nil {
		return err
	}
	spent.Rest += time.Since(begun)
	return nil
}

// trial runs and records one trial; targets that cannot be reached any more are remembered in lost.
func (r *Runner) trial(ctx context.Context, planned Planned, lost map[string]error) (results.Trial, error) {
	trial := results.Trial{
		Seq: planned.Seq, Cell: results.Cell{Block: planned.Block, Target: planned.Target, Workload: planned.Workload.Name},
		Args: planned.Workload.Job.Args(), Files: string(r.Files),
	}
	var done remote.DetachedResult
	begun := time.Now()
	err := lost[planned.Target]
	if err != nil {
		err, trial.Skipped = fmt.Errorf("skipped: %w", err), true
	} else {
		done, err = r.measure(ctx, planned)
	}
	if cause := context.Cause(ctx); cause != nil {
		return trial, cause
	}
	if isLost(err) {
		lost[planned.Target] = err
	}
	trial.OnTarget = results.Window{Start: done.Started, End: done.Ended}
	trial.OnLabctl = results.Window{Start: begun.UTC(), End: time.Now().UTC()}
	trial.ExitCode = done.ExitCode
	trial.FioElapsed = results.Duration(done.Ended.Sub(done.Started))
	trial.Wall = results.Duration(time.Since(begun))
	if err != nil {
		trial.Error = err.Error()
	}
	recorded, err := r.Recorder.Record(trial,
		results.Output{Role: results.RoleReport, Data: done.Stdout}, results.Output{Role: results.RoleStderr, Data: done.Stderr})
	if err != nil {
		return trial, fmt.Errorf("recording trial %d: %w", planned.Seq, err)
	}
	return recorded, nil
}

// isLost says whether a target is out of reach for good: remote has tried to come back already.
func isLost(err error) bool {
	var unreachable *remote.UnreachableError
	var hostKey *remote.HostKeyError
	var auth *remote.AuthError
	var connection *remote.ConnectionLostError
	return errors.As(err, &unreachable) || errors.As(err, &hostKey) || errors.As(err, &auth) || errors.As(err, &connection)
}
