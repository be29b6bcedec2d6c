package suite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"labctl/pkg/fio"
	"labctl/pkg/labspec"
	"labctl/pkg/remote"
	"labctl/pkg/results"
)

func workload(name string, seconds int) labspec.Workload {
	return labspec.Workload{Name: name, Job: fio.Job{Options: []fio.Option{
		{Name: "name", Value: "random-write", HasValue: true},
		{Name: "rw", Value: "randwrite", HasValue: true},
		{Name: "runtime", Value: fmt.Sprint(seconds), HasValue: true},
		{Name: "time_based"},
	}}}
}

func names(schedule []Planned) []string {
	var out []string
	for _, p := range schedule {
		out = append(out, fmt.Sprintf("%d %s/%s b%d", p.Seq, p.Target, p.Workload.Name, p.Block))
	}
	return out
}

func TestFixedOrderGoesTargetByTarget(t *testing.T) {
	suite := labspec.Suite{Order: labspec.OrderFixed, Blocks: 2, Workloads: []labspec.Workload{workload("4k", 60), workload("1m", 60)}}
	want := []string{"1 pve/4k b1", "2 pve/1m b1", "3 2gb/4k b1", "4 2gb/1m b1", "5 pve/4k b2", "6 pve/1m b2", "7 2gb/4k b2", "8 2gb/1m b2"}
	if diff := cmp.Diff(want, names(Schedule(suite, []string{"pve", "2gb"}, 1, Filter{}))); diff != "" {
		t.Errorf("schedule (-want +got)\n%s", diff)
	}
	want = []string{"1 2gb/1m b1", "2 2gb/1m b2"}
	if diff := cmp.Diff(want, names(Schedule(suite, []string{"pve", "2gb"}, 1, Filter{Target: "2gb", Workload: "1m"}))); diff != "" {
		t.Errorf("filtered schedule (-want +got)\n%s", diff)
	}
}

func TestRandomOrderIsSeededAndComplete(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		suite := labspec.Suite{
			Order: labspec.OrderRandom, Blocks: rapid.IntRange(1, 4).Draw(t, "blocks"),
			Workloads: []labspec.Workload{workload("a", 1), workload("b", 1), workload("c", 1)},
		}
		targets := []string{"pve", "2gb", "4gb", "8gb"}
		seed := rapid.Uint64().Draw(t, "seed")
		schedule := names(Schedule(suite, targets, seed, Filter{}))
		if !slices.Equal(schedule, names(Schedule(suite, targets, seed, Filter{}))) {
			t.Fatal("the same seed gave another order")
		}
		seen := map[string]int{}
		for i, planned := range Schedule(suite, targets, seed, Filter{}) {
			if planned.Block != i/12+1 {
				t.Fatalf("trial %d is in block %d: blocks are not kept together", planned.Seq, planned.Block)
			}
			seen[planned.Target+planned.Workload.Name]++
		}
		for cell, n := range seen {
			if n != suite.Blocks {
				t.Fatalf("%s runs %d times in %d blocks", cell, n, suite.Blocks)
			}
		}
	})
}

func TestEstimateCountsRestsBetweenTrials(t *testing.T) {
	suite := labspec.Suite{Blocks: 1, Workloads: []labspec.Workload{workload("4k", 60)}}
	schedule := Schedule(suite, []string{"pve", "2gb", "4gb"}, 1, Filter{})
	if got, want := Estimate(schedule, 30*time.Second), 4*time.Minute; got != want {
		t.Errorf("Estimate = %s, want %s", got, want)
	}
}

// fakeMachine is a target whose fio takes its run time and prints nothing that is read here.
type fakeMachine struct {
	takes   time.Duration
	fail    error
	ran     []string
	stopped []string
}

func (m *fakeMachine) Run(_ context.Context, command remote.Command) (remote.Output, error) {
	m.ran = append(m.ran, "rm "+string(command.Stdin))
	return remote.Output{}, nil
}

func (m *fakeMachine) RunDetached(ctx context.Context, command remote.Detached) (remote.DetachedResult, error) {
	m.ran = append(m.ran, command.ID)
	if m.fail != nil {
		return remote.DetachedResult{}, m.fail
	}
	begun := time.Now()
	select {
	case <-time.After(m.takes):
	case <-ctx.Done():
		return remote.DetachedResult{}, ctx.Err()
	}
	return remote.DetachedResult{Started: begun, Ended: time.Now(), Stdout: []byte("{}")}, nil
}

func (m *fakeMachine) StopDetached(_ context.Context, id string) error {
	m.stopped = append(m.stopped, id)
	return nil
}

type recorder struct {
	trials  []results.Trial
	running processes
}

// processes are the IDs that may run, as the journal knows them.
type processes struct{ open []string }

func (p *processes) Detach(_, id string) error {
	p.open = append(p.open, id)
	return nil
}

func (p *processes) Attached(id string) error {
	p.open = slices.DeleteFunc(p.open, func(open string) bool { return open == id })
	return nil
}

func (r *recorder) Record(trial results.Trial, _ ...results.Output) (results.Trial, error) {
	r.trials = append(r.trials, trial)
	return trial, nil
}

type silent struct{}

func (silent) TrialStarted(Planned, int, time.Duration) {}
func (silent) TrialFinished(Planned, results.Trial)     {}
func (silent) Resting(time.Duration)                    {}

func newRunner(machines map[string]*fakeMachine, record *recorder) *Runner {
	targets := map[string]Target{}
	for name, machine := range machines {
		targets[name] = Target{Machine: machine, Directory: "/opt/data"}
	}
	return &Runner{
		RunID: "run", Targets: targets, Rest: 30 * time.Second, Files: labspec.FilesFresh,
		Recorder: record, Journal: &record.running, Observer: silent{},
	}
}

func TestRunnerCountsItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		machine, record := &fakeMachine{takes: time.Minute}, &recorder{}
		suite := labspec.Suite{Blocks: 3, Workloads: []labspec.Workload{workload("4k", 60)}}
		spent, err := newRunner(map[string]*fakeMachine{"pve": machine}, record).Run(t.Context(), Schedule(suite, []string{"pve"}, 1, Filter{}))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(Spent{Fio: 3 * time.Minute, Rest: time.Minute}, spent); diff != "" {
			t.Errorf("spent (-want +got)\n%s", diff)
		}
		want := []string{"rm random-write.0.0", "run-001", "rm random-write.0.0", "run-002", "rm random-write.0.0", "run-003"}
		if diff := cmp.Diff(want, machine.ran); diff != "" {
			t.Errorf("commands (-want +got)\n%s", diff)
		}
	})
}

func TestLostTargetIsSkippedAndTheOthersGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lost := &fakeMachine{fail: &remote.UnreachableError{Target: "2gb", Address: "10.0.0.2:22", Err: errors.New("no route")}}
		alive, record := &fakeMachine{takes: time.Second}, &recorder{}
		suite := labspec.Suite{Blocks: 1, Workloads: []labspec.Workload{workload("4k", 1), workload("1m", 1)}}
		_, err := newRunner(map[string]*fakeMachine{"2gb": lost, "4gb": alive}, record).
			Run(t.Context(), Schedule(suite, []string{"2gb", "4gb"}, 1, Filter{}))
		var failed *FailedError
		if !errors.As(err, &failed) || len(failed.Failures) != 2 || !strings.Contains(err.Error(), "no route") {
			t.Fatalf("error %v", err)
		}
		if len(record.trials) != 4 || record.trials[3].Error != "" || !strings.HasPrefix(record.trials[1].Error, "skipped: ") {
			t.Errorf("recorded %+v", record.trials)
		}
		if len(lost.ran) != 2 { // one clean-up and one fio
			t.Errorf("the lost target was asked again: %v", lost.ran)
		}
	})
}

func TestInterruptEndsTheRunningFio(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		machine, record := &fakeMachine{takes: time.Minute}, &recorder{}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Second, cancel) // in the second trial
		suite := labspec.Suite{Blocks: 3, Workloads: []labspec.Workload{workload("4k", 60)}}
		_, err := newRunner(map[string]*fakeMachine{"pve": machine}, record).Run(ctx, Schedule(suite, []string{"pve"}, 1, Filter{}))
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("error %v", err)
		}
		if diff := cmp.Diff([]string{"run-002"}, machine.stopped); diff != "" || len(record.trials) != 1 {
			t.Errorf("stopped %v, recorded %d trials", machine.stopped, len(record.trials))
		}
		if len(record.running.open) != 0 {
			t.Errorf("the journal thinks that %v still run", record.running.open)
		}
	})
}

func TestFioThatNeverEndsIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		machine, record := &fakeMachine{takes: 1000 * time.Hour}, &recorder{}
		suite := labspec.Suite{Blocks: 1, Workloads: []labspec.Workload{workload("4k", 60)}}
		_, err := newRunner(map[string]*fakeMachine{"pve": machine}, record).Run(t.Context(), Schedule(suite, []string{"pve"}, 1, Filter{}))
		var failed *FailedError
		if !errors.As(err, &failed) || !strings.Contains(err.Error(), "fio had not ended after 1h2m0s") || len(machine.stopped) != 1 {
			t.Errorf("error %v, stopped %v", err, machine.stopped)
		}
	})
}
