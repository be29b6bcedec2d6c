package baseline_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"labctl/pkg/fio"
	"labctl/pkg/internal/recordings"
	"labctl/pkg/results"
	"labctl/pkg/results/baseline"
	"labctl/pkg/results/measure"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open is an empty store that knows the blog.
func open(t *testing.T) *results.Store {
	t.Helper()
	s, err := results.Open(t.TempDir())
	check(t, err)
	return s.Know(baseline.Published(), baseline.RunPy)
}

// report is what fio printed for a job that wrote so many blocks of 4 KiB per second.
func report(iops int, ended string) string {
	return fmt.Sprintf(`{"fio version": "fio-3.33", "timestamp": 1767366255, "timestamp_ms": %s, "jobs": [{
  "jobname": "random-write", "error": 0, "elapsed": 11, "job options": {"bs": "4k"},
  "write": {"io_bytes": %d, "bw_bytes": %d, "iops": %d, "runtime": 10000, "total_ios": %d}}]}`, ended, iops*40960, iops*4096, iops, iops*10)
}

// TestBlogBaseline imports the two result files of the blog and compares every number with the table made from them.
func TestBlogBaseline(t *testing.T) {
	table, err := recordings.File("blog/baseline.csv")
	check(t, err)
	rows, err := csv.NewReader(bytes.NewReader(table)).ReadAll()
	check(t, err)
	runs := map[string]*results.Run{"2023-08-23": importBlog(t, "2023-08-23"), "2023-09-12": importBlog(t, "2023-09-12")}
	if len(rows) != 25 {
		t.Fatalf("%d rows", len(rows))
	}
	for _, row := range rows[1:] {
		want := map[string]string{}
		for i, column := range rows[0] {
			want[column] = row[i]
		}
		got := baselineRow(t, runs[want["run"]], want["node"], want["benchmark"])
		for column, value := range want {
			if column != "run" && !closeTo(got[column], value) {
				t.Errorf("%s %s %s: %s is %s, want %s", want["run"], want["node"], want["benchmark"], column, got[column], value)
			}
		}
	}
}

// baselineRow is a trial in the columns of the baseline table.
func baselineRow(t *testing.T, run *results.Run, target, workload string) map[string]string {
	t.Helper()
	for _, trial := range run.Trials {
		if trial.Target != target || trial.Workload != workload {
			continue
		}
		s := trial.Measures
		get := func(d measure.Direction, id measure.ID) float64 {
			number, _ := s.Get(d, id).Get()
			return number
		}
		jobs, iops := float64(s.Jobs), get(measure.Write, measure.IOPS)
		bandwidth, io := get(measure.Write, measure.Bandwidth)/measure.MiB, get(measure.Write, measure.IOBytes)/measure.MiB
		p99 := s.Get(measure.Write, measure.ClatP99)
		if !p99.IsKnown() {
			p99 = s.Get(measure.Write, measure.ClatP99Convention)
		}
		row := map[string]string{"node": target, "benchmark": workload, "fio_version": s.FioVersion}
		for column, value := range map[string]float64{
			"jobs": jobs, "runtime_ms": get(measure.Process, measure.Runtime) / 1e6,
			"iops_mean_per_job": iops / jobs, "iops_total": iops,
			"bw_mib_mean_per_job": bandwidth / jobs, "bw_mib_total": bandwidth,
			"io_mib_mean_per_job": io / jobs, "io_mib_total": io,
			"clat_mean_us": get(measure.Write, measure.ClatMean) / 1e3, "clat_p99_us": number(p99) / 1e3,
		} {
			row[column] = strconv.FormatFloat(value, 'g', -1, 64)
		}
		return row
	}
	t.Fatalf("no trial of %s on %s", workload, target)
	return nil
}

// closeTo compares numbers to one in a million, but not beyond the last digit of want, and words exactly.
func closeTo(got, want string) bool {
	g, gotErr := strconv.ParseFloat(got, 64)
	w, wantErr := strconv.ParseFloat(want, 64)
	if gotErr != nil || wantErr != nil {
		return got == want
	}
	_, decimals, _ := strings.Cut(want, ".")
	return strconv.FormatFloat(g, 'f', len(decimals), 64) == want || cmp.Equal(g, w, cmpopts.EquateApprox(1e-6, 0))
}

// number is a known value, or NaN.
func number(v fio.Value) float64 {
	if n, ok := v.Get(); ok {
		return n
	}
	return math.NaN()
}

func importBlog(t *testing.T, date string) *results.Run {
	t.Helper()
	name := "run-" + date + ".json"
	data, err := recordings.File("blog/" + name)
	check(t, err)
	runs, err := open(t).Import(name, data)
	check(t, err)
	return &runs[0]
}

// TestPublishedIsWhatWasMeasured compares the baselines that ship with labctl with the files they come from.
func TestPublishedIsWhatWasMeasured(t *testing.T) {
	for _, published := range baseline.Published() {
		imported := importBlog(t, strings.TrimPrefix(published.ID, "blog:"))
		for i, trial := range published.Trials {
			for d, values := range trial.Measures.Values {
				for id, want := range values {
					got := imported.Trials[i].Measures.Get(d, id)
					exact := cmpopts.EquateApprox(1e-6, 0)
					if id == measure.ClatMean {
						exact = cmpopts.EquateApprox(0, 0.5) // published in whole nanoseconds
					}
					if !cmp.Equal(number(got), number(want), exact) || imported.Trials[i].Cell != trial.Cell {
						t.Errorf("%s %s: %s is %v, published %v", published.ID, trial.Cell, id, got, want)
					}
				}
			}
		}
		if diff := cmp.Diff(published.Targets, imported.Targets); diff != "" {
			t.Errorf("%s targets (-published +imported):\n%s", published.ID, diff)
		}
		if diff := cmp.Diff(published.Workloads, imported.Workloads); diff != "" {
			t.Errorf("%s workloads (-published +imported):\n%s", published.ID, diff)
		}
		for _, times := range [][2]time.Time{{published.Created, imported.Created}, {published.Finished, imported.Finished}} {
			if d := times[0].Sub(times[1]).Abs(); d > time.Second {
				t.Errorf("%s: published %v, imported %v", published.ID, times[0], times[1])
			}
		}
	}
}

// The noise of the author's two runs is that of all twelve pairs; one pair makes most of it.
func TestBlogNoise(t *testing.T) {
	for _, want := range []string{"7.7 % from run to run, over all 12 pairs", "below 21 % are within it", "4.7 % and 13 %"} {
		if !strings.Contains(baseline.Noise(), want) {
			t.Errorf("%q lacks %q", baseline.Noise(), want)
		}
	}
}

func TestPublished(t *testing.T) {
	runs := baseline.Published()
	if len(runs) != 2 || runs[0].ID != "blog:2023-08-23" || runs[1].ID != "blog:2023-09-12" {
		t.Fatalf("%d baselines", len(runs))
	}
	for _, run := range runs {
		if run.Kind != results.KindPublished || run.Provenance.Source == "" || len(run.Trials) != 12 || len(run.Targets) != 4 || len(run.Workloads) != 3 {
			t.Errorf("baseline %s is not whole", run.ID)
		}
		run.Trials[0].Measures.Put(measure.Write, measure.IOPS, fio.Value{})
		run.Targets[0].Facts["fio"] = ""
	}
	if again := baseline.Published()[0]; !again.Trials[0].Measures.Get(measure.Write, measure.IOPS).IsKnown() || again.Targets[0].Facts["fio"] == "" {
		t.Error("a caller can change the baseline")
	}
}

// runPy is a result file as the blog's run.py writes it.
func runPy() []byte {
	return fmt.Appendf(nil, `{"vm": {"w1": %s}, "pve": {"w1": %s}}`, report(2000, "1767366355123"), report(1000, "1767366255123"))
}

func TestImportRunPy(t *testing.T) {
	s := open(t)
	runs, err := s.Import("some/where/nightly.json", runPy())
	check(t, err)
	run := runs[0]
	if len(runs) != 1 || run.Kind != results.KindImported || run.Lab != "nightly" || run.Title != "Imported from nightly.json" || run.Status != results.StatusComplete {
		t.Errorf("run %+v", run)
	}
	if run.Provenance.Importer != "run.py" || run.Provenance.Source != "nightly.json" || len(run.Provenance.SourceSHA256) != 64 || run.Suite != "" {
		t.Errorf("provenance %+v, suite %q", run.Provenance, run.Suite)
	}
	first := run.Trials[0]
	if first.Target != "pve" || first.Seq != 1 || !first.Measures.Get(measure.Write, measure.IOPS).Equal(fio.Known(1000)) || !first.OnTarget.End.Equal(time.UnixMilli(1767366255123)) || first.FioElapsed.Seconds() != 11 {
		t.Errorf("first trial %+v", first)
	}
	if !strings.HasPrefix(run.ID, "20260102T150404Z-") || !run.Created.Equal(first.OnTarget.Start) || !run.Finished.Equal(run.Trials[1].OnTarget.End) {
		t.Errorf("ID %s, created %v, finished %v", run.ID, run.Created, run.Finished)
	}
	for _, trial := range run.Trials {
		raw, err := s.Raw(trial.Artifacts[0].Blob)
		check(t, err)
		if !strings.Contains(string(runPy()), string(raw)) {
			t.Errorf("raw data of trial %d is not a part of the file", trial.Seq)
		}
	}
}

// TestImportOfBlogNames has the names of the blog's workloads but not its jobs: no command line may be claimed.
func TestImportOfBlogNames(t *testing.T) {
	data := strings.ReplaceAll(string(runPy()), `"w1"`, `"write-random-4kib-1x"`)
	runs, err := open(t).Import("x.json", []byte(data))
	check(t, err)
	if run := runs[0]; run.Suite != "" || run.Workloads[0].CommandLine != "" {
		t.Errorf("suite %q, command line %q", run.Suite, run.Workloads[0].CommandLine)
	}
}

func TestNotAResultFile(t *testing.T) {
	for name, test := range map[string]struct{ data, want string }{
		"empty object":     {"{}", "no fio reports in it"},
		"other JSON":       {`{"a": 1}`, `no fio report at "a"`},
		"other JSON below": {`{"a": {"b": 1}}`, `no fio report at "a/b"`},
	} {
		s := open(t)
		_, err := s.Import("x.json", []byte(test.data))
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "importing x.json: ") {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
		if left, err := os.ReadDir(s.Dir()); err != nil || len(left) != 0 {
			t.Errorf("%s: left %v behind, %v", name, left, err)
		}
	}
}

// What is no JSON object, or is a report of fio, is left to the reader of fio's reports.
func TestOtherFormats(t *testing.T) {
	for _, data := range []string{"", "note\n" + report(1, "1767366255123"), report(1, "1767366255123"), "[1]"} {
		if found, err := baseline.RunPy(results.File{Data: []byte(data)}); found != nil || err != nil {
			t.Errorf("%.20s: %v, %v", data, found, err)
		}
	}
}

// Baselines are found by their names, and neither tagged, exported nor removed.
func TestBaselinesInAStore(t *testing.T) {
	s := open(t)
	run, err := s.Load("blog:2023-08-23")
	if err != nil || !baseline.IsBlog(run) {
		t.Errorf("%v, %v", run, err)
	}
	if _, err := s.Load(results.Latest); err == nil || err.Error() != "no run has been recorded yet: `labctl bench` records one; known are blog:2023-08-23, blog:2023-09-12" {
		t.Errorf("latest of none: %v", err)
	}
	if _, err := s.Tag("base", "blog:2023-08-23"); err == nil {
		t.Error("a baseline was tagged")
	}
	if err := s.Export("blog:2023-08-23", &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "ships with every labctl") {
		t.Errorf("export: %v", err)
	}
	if _, err := s.IDs("blog:2023-08-23"); err == nil {
		t.Error("a baseline is stored")
	}
}
