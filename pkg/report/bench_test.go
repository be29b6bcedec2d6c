package report

import (
	"fmt"
	"io"
	"testing"

	"labctl/pkg/results"
)

// manyTrials is a run of so many trials: four targets and two workloads in as many blocks as that takes.
func manyTrials(trials int) *results.Run {
	run := durableRun()
	run.Targets, run.Blocks = nil, trials/8
	model := run.Trials
	run.Trials = nil
	for i := range trials {
		t := model[i%2]
		t.Target, t.Layer = fmt.Sprintf("vm%d", i/2%4), ""
		t.Block, t.Seq = i/8+1, i+1
		run.Trials = append(run.Trials, t)
	}
	return run
}

func BenchmarkReport(b *testing.B) {
	for _, trials := range []int{80, 800} {
		run := manyTrials(trials)
		for _, format := range Formats() {
			b.Run(fmt.Sprintf("%s/%d", format, trials), func(b *testing.B) {
				for b.Loop() {
					if err := Write(io.Discard, format, run, Options{}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
