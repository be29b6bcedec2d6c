package results_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"labctl/pkg/results"
)

// report is what fio would print for a job that wrote iops blocks of 4 KiB per second for ten seconds, twice in parallel.
func report(iops int) []byte {
	job := func(scale, p99 int) string {
		n := iops * scale
		return fmt.Sprintf(`{"jobname": "random-write", "error": 0, "elapsed": 11, "job options": {"bs": "4k"},
  "write": {"io_bytes": %d, "bw_bytes": %d, "iops": %d.5, "runtime": %d, "total_ios": %d,
    "clat_ns": {"min": 1, "max": 9, "mean": %d.25, "stddev": 1.0, "N": %d, "percentile": {"99.000000": %d}}}}`,
			n*40960, n*4096, n, 10000+scale, n*10, 1000*scale, n*10, p99)
	}
	return fmt.Appendf(nil, "{\n\"fio version\": \"fio-3.33\", \"timestamp\": 1767366255, \"timestamp_ms\": 1767366255123,\n\"jobs\": [%s,\n%s]\n}\n",
		job(1, 5000), job(3, 7000))
}

// begun is a run of two targets and one workload as it begins.
func begun() results.Run {
	return results.Run{
		ID: "20260102T150405Z-1a2b", Lab: "demo", Suite: "smoke", Title: "A small run",
		Created:   time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC),
		Targets:   []results.Target{{Name: "pve", Kind: results.TargetHost, Facts: map[string]string{"fio": "fio-3.33", "kernel": "6.8.12-4-pve"}, Directory: "/tank/bench"}, {Name: "small", Kind: results.TargetVM, VMID: 9101, Directory: "/opt/data"}},
		Workloads: []results.Workload{{Name: "write-4k", CommandLine: "fio --name=random-write --rw=randwrite --bs=4k --numjobs=2 --output-format=json"}},
		Blocks:    1, Seed: 1<<63 + 7, Rest: results.Duration(30 * time.Second), FilePolicy: "fresh",
		Plan:       results.Plan{Order: "fixed", Cells: []results.PlannedCell{{Cell: trial(1, "pve").Cell}, {Cell: trial(2, "small").Cell}}},
		Provenance: results.Provenance{LabctlVersion: "v0.1.0", SpecSHA256: strings.Repeat("ab", 32), Spec: "apiVersion: labctl/v1\nname: demo\n", PVEVersion: "8.4.1", PVENode: "pve", LabRunID: "20260102T150001Z-77fe"},
		Notes:      []string{"The host was measured as a directory on ZFS."},
	}
}

// trial is the seq-th trial of the run.
func trial(seq int, target string) results.Trial {
	start := time.Date(2026, 1, 2, 15, 5*seq, 0, 0, time.UTC)
	return results.Trial{
		Seq: seq, Cell: results.Cell{Block: 1, Target: target, Workload: "write-4k"}, Attempt: 1,
		OnTarget:   results.Window{Start: start, End: start.Add(11500 * time.Millisecond)},
		OnLabctl:   results.Window{Start: start.Add(-time.Second), End: start.Add(12 * time.Second)},
		FioElapsed: results.Duration(11500 * time.Millisecond), Wall: results.Duration(13 * time.Second),
		Args: []string{"fio", "--name=random-write", "--rw=randwrite", "--bs=4k", "--numjobs=2", "--output-format=json"}, Files: "fresh",
	}
}

func overhead() *results.Overhead {
	return &results.Overhead{Wall: results.Duration(58 * time.Second), Fio: results.Duration(23 * time.Second), Rest: results.Duration(30 * time.Second)}
}

// finished stores the whole run and returns its store.
func finished(t *testing.T) *results.Store {
	t.Helper()
	s := open(t)
	w := create(t, s, begun())
	add(t, w, trial(1, "pve"), report(1000), nil)
	failed := trial(2, "small")
	failed.ExitCode = 1
	add(t, w, failed, []byte("fio: failed to open file\n"), []byte("fio: pid=12, err=28\nfio: No space left on device\n"))
	check(t, w.Finish(results.StatusComplete, "", overhead()))
	return s
}

func open(t *testing.T) *results.Store {
	t.Helper()
	s, err := results.Open(filepath.Join(folder(t), "results"))
	check(t, err)
	return s
}

// folder is a temporary folder, in memory where that can be had: every file of a run is synced to the disk.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "labctl-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { check(t, os.RemoveAll(dir)) })
	return dir
}

func create(t *testing.T, s *results.Store, run results.Run) *results.Writer {
	t.Helper()
	w, err := s.Create(run)
	check(t, err)
	t.Cleanup(func() { check(t, w.Close()) })
	return w
}

func add(t *testing.T, w *results.Writer, trial results.Trial, raw, stderr []byte) results.Trial {
	t.Helper()
	recorded, err := w.Record(trial, outputs(raw, stderr)...)
	check(t, err)
	return recorded
}

// outputs are what a fio printed.
func outputs(raw, stderr []byte) []results.Output {
	return []results.Output{{Role: results.RoleReport, Data: raw}, {Role: results.RoleStderr, Data: stderr}}
}

func load(t *testing.T, s *results.Store, ref string) *results.Run {
	t.Helper()
	run, err := s.Load(ref)
	check(t, err)
	return run
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// tree is the content of every file below dir, by slash-separated path.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	check(t, fs.WalkDir(os.DirFS(dir), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(filepath.Join(dir, path))
		files[path] = string(content)
		return err
	}))
	return files
}

// asJSON makes two values comparable by what is written of them.
func asJSON(t *testing.T, value any) string {
	t.Helper()
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetIndent("", " ")
	check(t, encoder.Encode(value))
	return text.String()
}
