package results_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"labctl/pkg/fio"
	"labctl/pkg/results"
	"labctl/pkg/results/measure"
)

// fioText is a report of jobs that wrote 4 KiB blocks for ten seconds; each job is its name, group, options and IOPS.
func fioText(version string, ended int, jobs ...string) string {
	for i, job := range jobs {
		var name, options string
		var group, iops int
		fmt.Sscan(job, &name, &group, &options, &iops)
		jobs[i] = fmt.Sprintf(`{"jobname": %q, "groupid": %d, "error": 0, "elapsed": 10, "job options": {"bs": %q}, "write": {"io_bytes": %d, "io_kbytes": 1, "bw_bytes": %d, "iops": %d, "runtime": 10000, "total_ios": %d, "clat_ns": {"min": 0, "max": 0, "mean": 0.0, "N": 0}}}`,
			name, group, options, iops*40960, iops*4096, iops, iops*10)
	}
	stamp := ""
	if ended > 0 {
		stamp = fmt.Sprintf(`"timestamp": %d, "timestamp_ms": %d000, `, ended, ended)
	}
	return fmt.Sprintf(`{"fio version": %q, %s"jobs": [%s]}`+"\n", version, stamp, strings.Join(jobs, ", "))
}

// trialsOf are the trials of a run: cell, group and total IOPS.
func trialsOf(run results.Run) []string {
	var all []string
	for _, trial := range run.Trials {
		all = append(all, strings.TrimSpace(fmt.Sprintf("%s: %s %s", trial.Cell, trial.Measures.Get(measure.Total, measure.IOPS), trial.Group)))
	}
	return all
}

// TestImportWorkloads has a trial for each workload of each run of fio; nothing is added up but clones.
func TestImportWorkloads(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"one after the other": {
			fioText("fio-3.33", 1700000000, "a 0 4k 100", "b 1 4k 200"),
			[]string{"a on imported, block 1: 100", "b on imported, block 1: 200"},
		},
		"together": {
			fioText("fio-3.33", 1700000000, "a 0 4k 100", "b 0 4k 200"),
			[]string{"a on imported, block 1: 100 1-0", "b on imported, block 1: 200 1-0"},
		},
		"clones": {fioText("fio-3.33", 1700000000, "a 0 4k 100", "a 0 4k 200"), []string{"a on imported, block 1: 300"}},
		"repeated": {
			fioText("fio-3.33", 1700000000, "a 0 4k 100") + fioText("fio-3.33", 1700000100, "a 0 4k 90"),
			[]string{"a on imported, block 1: 100", "a on imported, block 2: 90"},
		},
		"same name, other options": {
			fioText("fio-3.33", 1700000000, "a 0 4k 100") + fioText("fio-3.33", 1700000100, "a 0 8k 90"),
			[]string{"a on imported, block 1: 100", "a-2 on imported, block 1: 90"},
		},
		"array": {
			"[" + fioText("fio-3.33", 1700000000, "a 0 4k 100") + ", " + fioText("fio-3.33", 1700000100, "b 0 4k 90") + "]",
			[]string{"a on imported, block 1: 100", "b on imported, block 1: 90"},
		},
	} {
		s := open(t)
		runs, err := s.Import("x.json", []byte(test.text))
		check(t, err)
		if diff := cmp.Diff(test.want, trialsOf(runs[0])); diff != "" || runs[0].Status != results.StatusComplete {
			t.Errorf("%s: %s (-want +got):\n%s", name, runs[0].Status, diff)
		}
		for _, trial := range runs[0].Trials {
			raw, err := s.Raw(trial.Artifacts[0].Blob)
			check(t, err)
			if report, err := fio.ParseReport(raw); err != nil || len(report.Workloads()) != 1 {
				t.Errorf("%s: the raw data of %s is not its own: %v", name, trial.Cell, err)
			}
			if trial.Measures.Get(measure.Write, measure.ClatMean).IsKnown() {
				t.Errorf("%s: a latency that fio did not measure is %v", name, trial.Measures.Get(measure.Write, measure.ClatMean))
			}
		}
	}
}

// TestImportWithoutTime takes the time of the file, and says so.
func TestImportWithoutTime(t *testing.T) {
	at := time.Date(2020, 5, 6, 7, 8, 9, 0, time.UTC)
	runs, err := open(t).ImportFile(results.File{Name: "x.json", Data: []byte(fioText("fio-3.33", 0, "a 0 4k 100")), Modified: at})
	check(t, err)
	trial := runs[0].Trials[0]
	if !trial.OnTarget.End.Equal(at) || trial.Findings[0].Rule != "no-timestamp" || !strings.HasPrefix(runs[0].ID, "20200506T070759Z-") {
		t.Errorf("run %s, trial %+v", runs[0].ID, trial)
	}
}

// TestImportOfUntriedFio warns, and refuses what cannot be.
func TestImportOfUntriedFio(t *testing.T) {
	runs, err := open(t).Import("x.json", []byte(fioText("fio-9.1", 1700000000, "a 0 4k 100")))
	check(t, err)
	found := runs[0].Trials[0].Findings
	at := slices.IndexFunc(found, func(f results.Finding) bool { return f.Rule == "fio-version" })
	if at < 0 || found[at].Severity != results.Warning || !strings.Contains(found[at].Evidence, "fio-9.1") {
		t.Errorf("findings %+v", found)
	}
	text := strings.Replace(fioText("fio-3.33", 1700000000, "a 0 4k 100"), `"iops": 100`, `"iops": 1e308`, 1)
	if _, err := open(t).Import("x.json", []byte(text)); err == nil || !strings.Contains(err.Error(), "1e308") {
		t.Errorf("1e308 IOPS: %v", err)
	}
}
