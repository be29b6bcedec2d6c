package report

import (
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"labctl/pkg/fio"
	"labctl/pkg/results"
	"labctl/pkg/results/baseline"
	"labctl/pkg/results/measure"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// golden compares got with a file in testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got, -update rewrites):\n%s", path, diff)
	}
}

// published is the run of the blog on this date.
func published(t *testing.T, date string) *results.Run {
	t.Helper()
	for _, run := range baseline.Published() {
		if run.ID == "blog:"+date {
			return &run
		}
	}
	t.Fatalf("no published run of %s", date)
	return nil
}

// sandboxRun is a run with everything that can go wrong: three blocks, trials that failed, a target that was never
// reached, a workload that reads with several jobs, and one that reads and writes.
func sandboxRun() *results.Run {
	at := func(minute int) time.Time { return time.Date(2026, 1, 2, 15, minute, 0, 0, time.UTC) }
	run := &results.Run{
		ID: "20260102T150405Z-1a2b", Kind: results.KindMeasured, Lab: "nightly", Suite: "smoke", Title: "Nightly smoke test",
		Created: at(4), Finished: at(23), Status: results.StatusInterrupted, StatusReason: "signal: interrupt",
		Targets: []results.Target{
			{Name: "pve", Kind: results.TargetHost},
			{Name: "small-vm", Kind: results.TargetHostProcess, VMID: 101},
			{Name: "big-vm", Kind: results.TargetHostProcess, VMID: 102},
			{Name: "late-vm", Kind: results.TargetHostProcess, VMID: 103},
		},
		Workloads: []results.Workload{
			{Name: "randwrite4k", CommandLine: "fio --name=randwrite4k --rw=randwrite --bs=4k --direct=1 --output-format=json"},
			{Name: "randread64k-q4x4", CommandLine: "fio --name=randread64k --rw=randread --bs=64k --numjobs=4 --output-format=json"},
			{Name: "mixed16k", CommandLine: "fio --name=mixed16k --rw=randrw --rwmixread=70 --bs=16k --output-format=json"},
		},
		Blocks: 3, Seed: 42, Rest: results.Duration(30 * time.Second), FilePolicy: "fresh",
		Provenance: results.Provenance{Sandbox: "host", PVEVersion: "8.4.1", PVENode: "pve", LabctlVersion: "v0.1.0"},
		Overhead:   &results.Overhead{Wall: results.Duration(1140 * time.Second), Fio: results.Duration(600 * time.Second), Rest: results.Duration(510 * time.Second)},
		Notes:      []string{"Measured on a laptop that also compiled Go."},
	}
	for block := 1; block <= 3; block++ {
		wobble := 1 + 0.04*float64(block-2)
		for i, target := range []string{"pve", "small-vm", "big-vm"} {
			speed := wobble * (1 + 0.2*float64(i))
			reports := []*fio.Report{
				{Version: "fio-3.36", Jobs: []fio.JobResult{{Write: flow(40123*speed, 4096)}}},
				{Version: "fio-3.36", Jobs: slices.Repeat([]fio.JobResult{{Read: flow(12345*speed/4, 65536)}}, 4)},
				{Version: "fio-3.36", Jobs: []fio.JobResult{{Read: flow(7000*speed, 16384), Write: flow(3000*speed, 16384)}}},
			}
			for w, report := range reports {
				run.Trials = append(run.Trials, results.Trial{
					Seq: len(run.Trials) + 1, Cell: results.Cell{Block: block, Target: target, Workload: run.Workloads[w].Name}, Measures: measure.Of(report),
				})
			}
		}
	}
	fail(run, "small-vm", "randwrite4k", 2, "fio: pid=12, err=28/file:filesetup.c:240, func=write, error=No space left on device\n\tsecond | line")
	for block := 1; block <= 3; block++ {
		fail(run, "big-vm", "randread64k-q4x4", block, "connection to big-vm lost: i/o timeout")
	}
	return run
}

// flow is what a job reports of one direction after ten seconds.
func flow(iops, bs float64) fio.Flow {
	n := fio.Known(math.Floor(iops * 10))
	return fio.Flow{
		IOPS: fio.Known(iops), BytesPerSec: fio.Known(iops * bs), IOBytes: fio.Known(math.Floor(iops*bs) * 10), TotalIOs: n, Runtime: 10 * time.Second,
		Clat: fio.Latency{N: n, MeanNs: fio.Known(1e9 / iops), MaxNs: fio.Known(math.Floor(9e9 / iops)), Percentiles: []fio.Percentile{
			{Percent: 50, Ns: int64(9e8 / iops)}, {Percent: 99, Ns: int64(4e9 / iops)}, {Percent: 99.9, Ns: int64(6e9 / iops)},
		}},
	}
}

// fail makes one trial of a run a failed one.
func fail(run *results.Run, target, workload string, block int, problem string) {
	for i, t := range run.Trials {
		if t.Target == target && t.Workload == workload && t.Block == block {
			run.Trials[i].Measures, run.Trials[i].Error, run.Trials[i].ExitCode = nil, problem, 1
		}
	}
}

// noLineIsTooWide fails when a text report does not fit a terminal. Words that are longer than that cannot be broken.
func noLineIsTooWide(t *testing.T, report string) {
	t.Helper()
	for i, line := range strings.Split(report, "\n") {
		if n := len([]rune(line)); n > textWidth {
			t.Errorf("line %d has %d columns: %s", i+1, n, line)
		}
		if line != strings.TrimRight(line, " \t") {
			t.Errorf("line %d ends with a space: %q", i+1, line)
		}
	}
}

func formatName(f Format, base string) string {
	return fmt.Sprintf("%s.%s", base, map[Format]string{Text: "txt", Markdown: "md", CSV: "csv", JSON: "json"}[f])
}
