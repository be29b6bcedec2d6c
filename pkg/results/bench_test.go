package results_test

import (
	"fmt"
	"testing"

	"labctl/pkg/results"
)

// storeOf is a store of so many runs with so many trials each, as an import makes them.
func storeOf(b *testing.B, runs, trials int) *results.Store {
	b.Helper()
	s, err := results.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	for n := range runs {
		run := begun()
		run.ID, run.Plan = fmt.Sprintf("20260102T1504%02dZ-%06x", n%60, n), results.Plan{}
		w, err := s.Create(run)
		if err != nil {
			b.Fatal(err)
		}
		for i := range trials {
			trial := trial(1, []string{"pve", "2gb", "4gb", "8gb"}[i%4])
			trial.Block, trial.Seq = i/4+1, 0
			if _, err := w.Record(trial, outputs(report(1000+i), nil)...); err != nil {
				b.Fatal(err)
			}
		}
		if err := w.Finish(results.StatusComplete, "", nil); err != nil {
			b.Fatal(err)
		}
	}
	return s
}

func BenchmarkList1000Runs(b *testing.B) {
	s := storeOf(b, 1000, 4)
	for b.Loop() {
		if headers, err := s.List(); err != nil || len(headers) != 1000 {
			b.Fatal(len(headers), err)
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	for _, trials := range []int{80, 800} {
		b.Run(fmt.Sprint(trials), func(b *testing.B) {
			s := storeOf(b, 1, trials)
			for b.Loop() {
				if run, err := s.Load(results.Latest); err != nil || len(run.Trials) != trials {
					b.Fatal(err)
				}
			}
		})
	}
}
