package compare

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"labctl/pkg/fio"
	"labctl/pkg/results"
	"labctl/pkg/results/measure"
)

// newRun makes a run of one block in which workloads[name] writes in blocks of bs bytes at the IOPS of each target.
func newRun(id string, workloads ...testWorkload) *results.Run {
	run := &results.Run{ID: id, Status: results.StatusComplete, Targets: []results.Target{
		{Name: "pve", Kind: results.TargetHost},
		{Name: "2gb", Kind: results.TargetVM},
		{Name: "4gb", Kind: results.TargetVM},
		{Name: "8gb", Kind: results.TargetVM},
	}}
	for _, w := range workloads {
		run.Workloads = append(run.Workloads, results.Workload{Name: w.name})
		for i, iops := range w.iops {
			run.Trials = append(run.Trials, results.Trial{
				Cell: results.Cell{Block: 1, Target: run.Targets[i].Name, Workload: w.name}, Measures: measured(w.jobs, flow{measure.Write, iops, w.bs}),
			})
		}
	}
	return run
}

// flow is I/O in one direction, in blocks of bs bytes.
type flow struct {
	measure.Direction
	iops, bs float64
}

// measured is what jobs measured that had I/O at all.
func measured(jobs int, flows ...flow) *measure.Set {
	set := &measure.Set{Jobs: jobs}
	total := flow{Direction: measure.Total}
	for _, f := range flows {
		if f.iops > 0 {
			set.Put(f.Direction, measure.IOPS, fio.Known(f.iops))
			set.Put(f.Direction, measure.Bandwidth, fio.Known(f.iops*f.bs))
			total.iops, total.bs = total.iops+f.iops, total.bs+f.iops*f.bs
		}
	}
	if len(flows) > 1 {
		set.Put(measure.Total, measure.IOPS, fio.Known(total.iops))
		set.Put(measure.Total, measure.Bandwidth, fio.Known(total.bs))
	}
	return set
}

type testWorkload struct {
	name string
	jobs int
	bs   float64
	iops []float64
}

const kib, mib = 1024.0, 1024 * 1024.0

func ofTheBlog(id string, workloads ...testWorkload) *results.Run {
	run := newRun(id, workloads...)
	run.Suite, run.Kind = "blog", results.KindPublished
	return run
}

// firstRun and secondRun are the two published runs of the blog.
func firstRun() *results.Run {
	return ofTheBlog("blog:2023-08-23",
		testWorkload{"4k", 1, 4 * kib, []float64{39777.498209, 51695.059230, 55317.278212, 55934.864377}},
		testWorkload{"64k", 16, 64 * kib, []float64{14212.528736, 14210.235859, 15592.552180, 14312.342778}},
		testWorkload{"1m", 1, mib, []float64{1284.542646, 907.388688, 906.619938, 1003.260670}})
}

func secondRun() *results.Run {
	return ofTheBlog("blog:2023-09-12",
		testWorkload{"4k", 1, 4 * kib, []float64{29337.344184, 54408.864715, 55851.562886, 60669.144678}},
		testWorkload{"64k", 16, 64 * kib, []float64{13530.204123, 14254.582539, 13466.488441, 14282.021572}},
		testWorkload{"1m", 1, mib, []float64{1209.352270, 924.419541, 860.989212, 912.718084}})
}

// lines is a comparison in short: "workload metric target A B change".
func lines(c Comparison) []string {
	var out []string
	for _, w := range c.Workloads {
		side := func(p Point) string {
			if p.Sample == nil {
				return p.Missing
			}
			return fmt.Sprintf("%.1f", p.Sample.Median)
		}
		for _, r := range w.Rows {
			change := "-"
			if r.Percent != nil {
				change = fmt.Sprintf("%+.1f", *r.Percent)
			}
			out = append(out, strings.Join([]string{w.Name, string(w.Metric), r.Label, side(r.A), side(r.B), change}, " "))
		}
		if w.BestVM != nil && w.BestVM.A != nil && w.BestVM.B != nil {
			out = append(out, fmt.Sprintf("%s best %+.1f %+.1f", w.Name, w.BestVM.A.Percent, w.BestVM.B.Percent))
		}
	}
	return out
}

func TestPublishedRuns(t *testing.T) {
	c := Compare(Selection{Run: firstRun()}, Selection{Run: secondRun()})
	want := []string{
		"4k iops pve 39777.5 29337.3 -26.2", "4k iops 2gb 51695.1 54408.9 +5.2",
		"4k iops 4gb 55317.3 55851.6 +1.0", "4k iops 8gb 55934.9 60669.1 +8.5", "4k best +40.6 +106.8",
		"64k bandwidth pve 888.3 845.6 -4.8", "64k bandwidth 2gb 888.1 890.9 +0.3",
		"64k bandwidth 4gb 974.5 841.7 -13.6", "64k bandwidth 8gb 894.5 892.6 -0.2", "64k best +9.7 +5.6",
		"1m bandwidth pve 1284.5 1209.4 -5.9", "1m bandwidth 2gb 907.4 924.4 +1.9",
		"1m bandwidth 4gb 906.6 861.0 -5.0", "1m bandwidth 8gb 1003.3 912.7 -9.0", "1m best -21.9 -23.6",
	}
	if diff := cmp.Diff(want, lines(c)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !slices.ContainsFunc(c.Notes, func(n string) bool { return strings.Contains(n, "no statement about significance") }) {
		t.Errorf("no note about single runs in %q", c.Notes)
	}
}

func TestTargets(t *testing.T) {
	run := secondRun()
	tests := map[string]struct {
		a, b Selection
		want []string
	}{
		"two targets of a run": {Selection{run, "pve"}, Selection{run, "8gb"}, []string{
			"4k iops pve -> 8gb 29337.3 60669.1 +106.8", "64k bandwidth pve -> 8gb 845.6 892.6 +5.6", "1m bandwidth pve -> 8gb 1209.4 912.7 -24.5",
		}},
		"one target named once": {Selection{firstRun(), "pve"}, Selection{Run: run}, []string{
			"4k iops pve 39777.5 29337.3 -26.2", "64k bandwidth pve 888.3 845.6 -4.8", "1m bandwidth pve 1284.5 1209.4 -5.9",
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, lines(Compare(test.a, test.b))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What one side lacks is shown, whatever the reason; what no side was to measure is not.
func TestMissing(t *testing.T) {
	a := newRun("a", testWorkload{"old", 1, 4 * kib, []float64{100, 200}}, testWorkload{"both", 1, 4 * kib, []float64{0, 300}})
	b := newRun("b", testWorkload{"both", 1, 4 * kib, []float64{100, 330}}, testWorkload{"new", 1, 4 * kib, []float64{100}})
	a.Targets, b.Targets = a.Targets[:2], append(b.Targets[:2:2], results.Target{Name: "extra", Kind: results.TargetVM})
	b.Trials[1].Measures, b.Trials[1].Error = nil, "fio: no space left on device"
	got := lines(Compare(Selection{Run: a}, Selection{Run: b}))
	want := []string{
		"old iops pve 100.0 not run -", "old iops 2gb 200.0 not run -",
		"both iops pve no I/O 100.0 -", "both iops 2gb 300.0 failed -", "both iops extra not run not run -",
		"new iops pve not run 100.0 -", "new iops 2gb not run not run -", "new iops extra not run not run -",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestShape(t *testing.T) {
	write, read := func(bs float64) flow { return flow{measure.Write, 1000, bs} }, func(bs float64) flow { return flow{measure.Read, 1000, bs} }
	tests := map[string]struct {
		measures *measure.Set
		want     Shape
	}{
		"512 B":          {measured(1, write(512)), Shape{measure.Write, measure.IOPS, 1}},
		"16 KiB":         {measured(1, write(16*kib)), Shape{measure.Write, measure.IOPS, 1}},
		"16 KiB rounded": {measured(1, write(16*kib+2)), Shape{measure.Write, measure.IOPS, 1}},
		"20 KiB":         {measured(4, write(20*kib)), Shape{measure.Write, measure.Bandwidth, 4}},
		"read":           {measured(1, read(mib)), Shape{measure.Read, measure.Bandwidth, 1}},
		"mixed":          {measured(1, read(8*kib), write(4*kib)), Shape{measure.Total, measure.IOPS, 1}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			run := &results.Run{Trials: []results.Trial{{Cell: results.Cell{Target: "vm", Workload: "w"}, Measures: test.measures}}}
			if got, _ := Tabulate(run).Shape("w"); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestNotes(t *testing.T) {
	a, b := firstRun(), secondRun()
	b.ID, b.Status, b.Provenance.Sandbox = "b", results.StatusInterrupted, "host"
	a.Workloads[0].CommandLine, b.Workloads[0].CommandLine = "fio --bs=4k", "fio --bs=8k"
	for i := range a.Trials {
		a.Trials[i].Measures.FioVersion, b.Trials[i].Measures.FioVersion = "fio-3.28", "fio-3.36"
	}
	c := Compare(Selection{Run: a}, Selection{Run: b})
	if want := "B is SANDBOX: host processes, not virtual machines: the numbers say nothing about VMs."; c.Warning != want {
		t.Errorf("warning %q, want %q", c.Warning, want)
	}
	want := []string{
		"Run b is not complete (interrupted).",
		"The sides used different versions of fio: A fio-3.28, B fio-3.36.",
		"Not the same fio job on both sides: 4k.",
	}
	if diff := cmp.Diff(want, c.Notes[2:]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSelect(t *testing.T) {
	runs := map[string]*results.Run{"blog:2023-08-23": firstRun(), "latest": secondRun()}
	broken := errors.New("disk on fire")
	load := func(ref string) (*results.Run, error) {
		if ref == "broken" {
			return nil, broken
		}
		if run, ok := runs[ref]; ok {
			return run, nil
		}
		return nil, &results.NotFoundError{Ref: ref, Known: []string{"latest"}}
	}
	for ref, want := range map[string]string{
		"latest": "blog:2023-09-12", "latest:8gb": "blog:2023-09-12:8gb", "blog:2023-08-23": "blog:2023-08-23", "blog:2023-08-23:pve": "blog:2023-08-23:pve",
	} {
		s, err := Select(ref, load)
		if err != nil {
			t.Errorf("%s: %v", ref, err)
		} else if got := s.side().Name; got != want {
			t.Errorf("%s: got %s, want %s", ref, got, want)
		}
	}
	for ref, want := range map[string]string{
		"nothing":      `no run "nothing"; known are latest`,
		"nothing:8gb":  `no run "nothing:8gb"; known are latest`,
		"latest:16gb":  `run blog:2023-09-12 has no target "16gb"; it has pve, 2gb, 4gb, 8gb`,
		"broken":       "disk on fire",
		"broken:2gb":   "disk on fire",
		"blog:2023-08": `no run "blog:2023-08"; known are latest`,
	} {
		if _, err := Select(ref, load); err == nil || err.Error() != want {
			t.Errorf("%s: got error %v, want %s", ref, err, want)
		}
	}
}

func TestSampleInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var cell Cell
		values := rapid.SliceOfN(rapid.Float64Range(0.001, 1e9), 1, 12).Draw(t, "values")
		for _, v := range values {
			cell.Trials = append(cell.Trials, results.Trial{Measures: measured(1, flow{measure.Write, v, 1})})
		}
		s, ok := cell.Sample(measure.IOPS, measure.Write)
		if !ok || s.N != len(values) || s.Min != slices.Min(values) || s.Max != slices.Max(values) {
			t.Fatalf("%v became %+v, %v", values, s, ok)
		}
		below, above := 0, 0
		for _, v := range values {
			if v < s.Median {
				below++
			}
			if v > s.Median {
				above++
			}
		}
		if 2*below > s.N || 2*above > s.N {
			t.Fatalf("median of %v is not %v", values, s.Median)
		}
	})
}

// A run does not differ from itself, and swapping the sides inverts the ratio.
func TestCompareInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		iops := rapid.SliceOfN(rapid.Float64Range(100, 1e5), 4, 4)
		a := newRun("a", testWorkload{"w", 1, 4 * kib, iops.Draw(t, "a")})
		b := newRun("b", testWorkload{"w", 1, 4 * kib, iops.Draw(t, "b")})
		for _, r := range Compare(Selection{Run: a}, Selection{Run: a}).Workloads[0].Rows {
			if *r.Percent != 0 {
				t.Fatalf("%s differs from itself by %v %%", r.Label, *r.Percent)
			}
		}
		there := Compare(Selection{Run: a}, Selection{Run: b}).Workloads[0].Rows
		back := Compare(Selection{Run: b}, Selection{Run: a}).Workloads[0].Rows
		for i := range there {
			if product := (1 + *there[i].Percent/100) * (1 + *back[i].Percent/100); math.Abs(product-1) > 1e-9 {
				t.Fatalf("ratios there and back multiply to %v", product)
			}
		}
	})
}
