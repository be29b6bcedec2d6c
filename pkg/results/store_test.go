package results_test

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"labctl/pkg/fio"
	"labctl/pkg/results"
	"labctl/pkg/results/measure"
)

func TestStoreRoundTrip(t *testing.T) {
	s := finished(t)
	run := load(t, s, results.Latest)
	want := begun()
	want.SchemaVersion, want.Kind, want.Status, want.Finished = results.SchemaVersion, results.KindMeasured, results.StatusComplete, run.Finished
	want.Overhead, want.Trials = overhead(), run.Trials
	if diff := cmp.Diff(&want, run); diff != "" {
		t.Errorf("run (-want +got):\n%s", diff)
	}
	if len(run.Trials) != 2 || run.Finished.IsZero() {
		t.Fatalf("%d trials, finished %v", len(run.Trials), run.Finished)
	}
	good, bad := run.Trials[0], run.Trials[1]
	for id, number := range map[measure.ID]float64{measure.IOPS: 4001, measure.Bandwidth: 4000 * 4096, measure.IOBytes: 4000 * 40960, measure.ClatMean: 2500.25, "ios": 40000} {
		if got := good.Measures.Get(measure.Write, id); !got.Equal(fio.Known(number)) {
			t.Errorf("%s is %v, want %v", id, got, number)
		}
	}
	if good.Error != "" || good.Measures.Jobs != 2 || good.Measures.FioVersion != "fio-3.33" {
		t.Errorf("good trial %+v", good)
	}
	if bad.Measures != nil || bad.Artifact(results.RoleStderr) == nil || !slices.Contains(bad.Said, "fio: No space left on device") || !strings.HasPrefix(bad.Error, "fio exited with status 1: no fio JSON report") || !strings.HasSuffix(bad.Error, ": fio: No space left on device; try the command line by hand on small") {
		t.Errorf("failed trial: %+v", bad)
	}
}

func TestNothingIsRewritten(t *testing.T) {
	s := open(t)
	w := create(t, s, begun())
	add(t, w, trial(1, "pve"), report(1000), nil)
	before := tree(t, s.Dir())
	if _, err := w.Record(trial(1, "pve"), outputs(report(2000), nil)...); !errors.Is(err, fs.ErrExist) {
		t.Errorf("recording a trial again: %v", err)
	}
	if _, err := s.Create(begun()); !errors.Is(err, fs.ErrExist) {
		t.Errorf("creating the run twice: %v", err)
	}
	check(t, w.Finish(results.StatusFailed, "disk broke", nil))
	if _, err := w.Record(trial(2, "pve"), outputs(report(1), nil)...); !errors.Is(err, results.ErrFinished) {
		t.Errorf("Record after Finish: %v", err)
	}
	if err := w.Finish(results.StatusComplete, "", nil); !errors.Is(err, results.ErrFinished) {
		t.Errorf("Finish after Finish: %v", err)
	}
	if _, _, err := s.Resume(w.ID()); !errors.Is(err, results.ErrFinished) {
		t.Errorf("Resume after Finish: %v", err)
	}
	after := tree(t, s.Dir())
	for path, content := range before {
		if after[path] != content {
			t.Errorf("%s was changed", path)
		}
	}
	check(t, filepath.WalkDir(s.Dir(), func(path string, entry fs.DirEntry, err error) error {
		if info, statErr := entry.Info(); err == nil && statErr == nil && !entry.IsDir() && info.Mode() != 0o444 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	}))
	if run := load(t, s, w.ID()); run.Status != results.StatusFailed || run.StatusReason != "disk broke" {
		t.Errorf("run is %s (%s)", run.Status, run.StatusReason)
	}
}

func TestRecordRefuses(t *testing.T) {
	w := create(t, open(t), begun())
	for name, change := range map[string]func(*results.Trial){
		"no block":    func(t *results.Trial) { t.Block = 0 },
		"no target":   func(t *results.Trial) { t.Target = "" },
		"no workload": func(t *results.Trial) { t.Workload = "" },
	} {
		bad := trial(1, "pve")
		change(&bad)
		if _, err := w.Record(bad, outputs(report(1), nil)...); err == nil {
			t.Errorf("%s: Record took it", name)
		}
	}
}

func TestRecordErrors(t *testing.T) {
	for _, test := range []struct {
		name        string
		trial       results.Trial
		raw, stderr string
		want        string
	}{
		{"nothing printed", results.Trial{}, "", "", "it printed nothing; try the command line by hand on pve"},
		{"own error wins", results.Trial{Error: "target vanished"}, string(report(1)), "", "target vanished"},
		{"exit status", results.Trial{ExitCode: 3}, string(report(1)), "oops", "fio exited with status 3: oops"},
		{"job error", results.Trial{}, strings.Replace(string(report(1)), `"error": 0`, `"error": 5`, 1), "", `fio job "random-write" ended with err=5`},
		{"cut short", results.Trial{}, string(report(1)[:200]), "", "cut short after 200 bytes"},
	} {
		s := open(t)
		w := create(t, s, begun())
		record := test.trial
		record.Cell = results.Cell{Block: 1, Target: "pve", Workload: "write-4k"}
		recorded := add(t, w, record, []byte(test.raw), []byte(test.stderr))
		got := load(t, s, w.ID()).Trials[0]
		if diff := cmp.Diff(recorded, got); diff != "" {
			t.Errorf("%s (-returned by Record +loaded):\n%s", test.name, diff)
		}
		if !strings.Contains(got.Error, test.want) || got.Measures != nil {
			t.Errorf("%s: error %q, measures %v; want %q", test.name, got.Error, got.Measures, test.want)
		}
	}
}

func TestResume(t *testing.T) {
	s := open(t)
	w := create(t, s, begun())
	add(t, w, trial(1, "pve"), report(1000), nil)
	if run := load(t, s, w.ID()); run.Status != results.StatusRunning {
		t.Errorf("status while it is written: %s", run.Status)
	}
	if _, _, err := s.Resume(w.ID()); err == nil || !strings.Contains(err.Error(), "is writing this run") {
		t.Errorf("Resume while it is written: %v", err)
	}
	check(t, w.Close())
	if run := load(t, s, w.ID()); run.Status != results.StatusInterrupted || run.StatusReason == "" || len(run.Trials) != 1 {
		t.Errorf("after Close: %s, %d trials", run.Status, len(run.Trials))
	}
	again, run, err := s.Resume(w.ID())
	check(t, err)
	if len(run.Trials) != 1 || run.Seed != begun().Seed {
		t.Errorf("resumed %+v", run)
	}
	add(t, again, trial(2, "small"), report(500), nil)
	check(t, again.Finish(results.StatusComplete, "", overhead()))
	if run := load(t, s, w.ID()); run.Status != results.StatusComplete || len(run.Trials) != 2 {
		t.Errorf("at the end: %s, %d trials", run.Status, len(run.Trials))
	}
	for _, id := range []string{"../x", "20200101T000000Z-none"} {
		if _, _, err := s.Resume(id); err == nil {
			t.Errorf("Resume(%q) found something", id)
		}
	}
}

// TestKilledProcess kills a process that writes a run: all it recorded is there, and the run counts as interrupted.
func TestKilledProcess(t *testing.T) {
	const role = "LABCTL_TEST_WRITE_RESULTS"
	if dir := os.Getenv(role); dir != "" {
		writeUntilKilled(t, dir)
	}
	s := open(t)
	child := exec.Command(os.Args[0], "-test.run=^TestKilledProcess$")
	child.Env = append(os.Environ(), role+"="+s.Dir())
	out, err := child.StdoutPipe()
	check(t, err)
	_, err = child.StdinPipe() // stays open, so that the child waits
	check(t, err)
	check(t, child.Start())
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "written\n" {
		t.Errorf("child said %q, %v", line, err)
	}
	if run := load(t, s, results.Latest); run.Status != results.StatusRunning {
		t.Errorf("status while the process lives: %s", run.Status)
	}
	check(t, child.Process.Kill())
	if err := child.Wait(); err == nil {
		t.Error("the child ended well")
	}
	if run := load(t, s, results.Latest); run.Status != results.StatusInterrupted || len(run.Trials) != 2 {
		t.Errorf("after the kill: %s with %d trials", run.Status, len(run.Trials))
	}
}

func writeUntilKilled(t *testing.T, dir string) {
	s, err := results.Open(dir)
	check(t, err)
	w := create(t, s, begun())
	add(t, w, trial(1, "pve"), report(1), nil)
	add(t, w, trial(2, "small"), report(2), nil)
	_, err = os.Stdout.WriteString("written\n")
	check(t, err)
	_, err = os.Stdin.Read(make([]byte, 1)) // nothing comes: it waits for the kill
	t.Fatal("was not killed", err)
}

func TestRecordFromManyGoroutines(t *testing.T) {
	s := open(t)
	unplanned := begun()
	unplanned.Plan = results.Plan{}
	w := create(t, s, unplanned)
	var group sync.WaitGroup
	for seq := 1; seq <= 20; seq++ {
		group.Go(func() {
			if _, err := w.Record(nth(seq), outputs(report(1), []byte("same"))...); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	check(t, w.Finish(results.StatusComplete, "", nil))
	run := load(t, s, w.ID())
	for i, trial := range run.Trials {
		if trial.Seq != i+1 {
			t.Errorf("trial %d stands at place %d", trial.Seq, i+1)
		}
	}
	if len(run.Trials) != 20 {
		t.Errorf("%d trials", len(run.Trials))
	}
}

// nth is the n-th repetition of a trial.
func nth(n int) results.Trial {
	t := trial(1, "pve")
	t.Block, t.Seq = n, n
	return t
}

func TestReferences(t *testing.T) {
	s := open(t)
	for _, run := range []results.Run{
		{ID: "20260101T000000Z-aa01", Lab: "nightly"},
		{ID: "20260102T000000Z-bb02", Lab: "nightly"},
		{ID: "20260103T000000Z-cc03", Lab: "20260101"},
	} {
		check(t, create(t, s, run).Finish(results.StatusComplete, "", nil))
	}
	for ref, want := range map[string]string{
		"latest":                "20260103T000000Z-cc03",
		"nightly":               "20260102T000000Z-bb02",
		"20260101T000000Z-aa01": "20260101T000000Z-aa01",
		"20260102":              "20260102T000000Z-bb02",
		"20260101":              "20260101T000000Z-aa01", // an ID wins over the name of a lab
	} {
		if run := load(t, s, ref); run.ID != want {
			t.Errorf("Load(%q) = %s, want %s", ref, run.ID, want)
		}
	}
	if _, err := s.Load("2026010"); err == nil || !strings.Contains(err.Error(), "could be any of 20260103T000000Z-cc03, 20260102T") {
		t.Errorf("ambiguous reference: %v", err)
	}
	for _, ref := range []string{"", "weekly", "../etc"} {
		_, err := s.Load(ref)
		var missing *results.NotFoundError
		if !errors.As(err, &missing) || !strings.Contains(err.Error(), "nightly, 20260101") && !strings.Contains(err.Error(), "20260101, nightly") {
			t.Errorf("Load(%q): %v", ref, err)
		}
	}
}

func TestList(t *testing.T) {
	s := finished(t)
	check(t, create(t, s, results.Run{ID: "20250102T150405Z-0000"}).Close())
	headers, err := s.List()
	check(t, err)
	if len(headers) != 2 || headers[0].ID != "20250102T150405Z-0000" || headers[0].Status != results.StatusInterrupted {
		t.Fatalf("headers %+v", headers)
	}
	h := headers[1]
	if h.Trials != 2 || h.Failed != 1 || h.Problem != "" {
		t.Errorf("header %+v", h)
	}
	empty, err := open(t).List()
	if err != nil || len(empty) != 0 {
		t.Errorf("empty store: %v, %v", empty, err)
	}
}

func TestNewID(t *testing.T) {
	at := time.Date(2026, 1, 2, 16, 4, 5, 999, time.FixedZone("CET", 3600))
	first, second := results.NewID(at), results.NewID(at.Add(time.Second))
	if !strings.HasPrefix(first, "20260102T150405Z-") || first >= second {
		t.Errorf("IDs %s and %s", first, second)
	}
	w := create(t, open(t), results.Run{})
	if w.ID() < first {
		t.Errorf("a new run got ID %s", w.ID())
	}
	if _, err := open(t).Create(results.Run{ID: "blog:2023"}); err == nil {
		t.Error("Create took an ID of another kind")
	}
}

func TestOpen(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	check(t, os.WriteFile(file, nil, 0o600))
	for _, dir := range []string{"", file} {
		if _, err := results.Open(dir); err == nil {
			t.Errorf("Open(%q) worked", dir)
		}
	}
}
