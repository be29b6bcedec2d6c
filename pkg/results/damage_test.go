package results_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"labctl/pkg/results"
)

const (
	firstTrial = "trials/b1-pve-write-4k-a1-505f2460.json"
	lastTrial  = "trials/b1-small-write-4k-a1-ac6c11ef.json"
)

func TestDamage(t *testing.T) {
	whole := tree(t, filepath.Join(finished(t).Dir(), begun().ID))
	forged := func(changes ...string) string {
		var file map[string]any
		check(t, json.Unmarshal([]byte(strings.NewReplacer(changes...).Replace(whole[firstTrial])), &file))
		delete(file, "sha256")
		return string(results.Forge(file))
	}
	for _, test := range []struct {
		name, file, content string // content "-" removes the file
		want                string
		trials              int
	}{
		{"torn trial", firstTrial, `{"schema_version": 1, "run": "2026`, "is torn or not ours, 34 bytes", 1},
		{"empty trial", lastTrial, "", "is torn or not ours, 0 bytes", 1},
		{"number edited", firstTrial, strings.Replace(whole[firstTrial], `"iops": 4001`, `"iops": 40010`, 1), "was changed after it was written", 1},
		{"target swapped", firstTrial, strings.Replace(whole[firstTrial], `"target": "pve"`, `"target": "two"`, 1), "was changed after it was written", 1},
		{"hash dropped", firstTrial, "{\n" + strings.SplitN(whole[firstTrial], "\n", 3)[2], "was changed after it was written", 1},
		{"number forged with its hash", firstTrial, forged(`"iops": 4001`, `"iops": 40010`), "was changed after the run ended", 2},
		{"trial of another run", firstTrial, forged(begun().ID, "20250102T150405Z-1a2b"), `belongs to run "20250102T150405Z-1a2b"`, 1},
		{"trial of another cell", firstTrial, forged(`"target": "pve"`, `"target": "two"`), `holds attempt 1 at write-4k on two, block 1, which its name does not say`, 1},
		{"trial of an older labctl", firstTrial, `{"schema_version":1,"run":"20260102T150405Z-1a2b","seq":7,"target":"a","workload":"b"}`, `which its name does not say`, 1},
		{"no labctl file", firstTrial, `{}`, "no schema_version", 1},
		{"second trial 1", "trials/0001-pve-x-b1.json", `{"schema_version":1,"run":"20260102T150405Z-1a2b","seq":1,"block":1,"target":"pve","workload":"write-4k"}`, "is a second attempt 1 at write-4k on pve, block 1", 2},
		{"trial lost", firstTrial, "-", "says that 2 trials were recorded; 1 can be read", 1},
		{"foreign file", "notes.txt", "hello", "notes.txt does not belong to a run", 2},
		{"foreign trial", "trials/copy of 1.json", "{}", "does not belong to a run", 2},
		{"foreign folder", "old/x", "", "does not belong to a run", 2},
		{"foreign blob", "raw/x.zst", "", "does not belong to a run", 2},
		{"torn manifest", "run.json", "{", "run.json is torn or not ours", 2},
		{"manifest edited", "run.json", strings.Replace(whole["run.json"], "A small run", "A large run", 1), "run.json was changed", 2},
		{"no manifest", "run.json", "-", "run.json is missing", 2},
		{"torn ending", "finished.json", "{", "finished.json is torn or not ours", 2},
		{"ending edited", "finished.json", strings.Replace(whole["finished.json"], "complete", "failed", 1), "finished.json was changed", 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := finished(t)
			path := filepath.Join(s.Dir(), begun().ID, filepath.FromSlash(test.file))
			if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			if test.content != "-" {
				check(t, os.MkdirAll(filepath.Dir(path), 0o755))
				check(t, os.WriteFile(path, []byte(test.content), 0o600))
			}
			run, err := s.Load(begun().ID)
			var damaged *results.DamagedError
			if !errors.As(err, &damaged) || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("Load: %v, want %q", err, test.want)
			}
			if run == nil || len(run.Trials) != test.trials || run.ID != begun().ID {
				t.Fatalf("Load kept %+v", run)
			}
		})
	}
}

func TestDamagedRaw(t *testing.T) {
	s := finished(t)
	blob := load(t, s, "demo").Trials[0].Artifacts[0].Blob
	path := filepath.Join(s.Dir(), begun().ID, "raw", blob.SHA256+".zst")
	other := filepath.Join(s.Dir(), begun().ID, "raw", load(t, s, "demo").Trials[1].Artifacts[0].SHA256+".zst")
	content, err := os.ReadFile(other)
	check(t, err)
	check(t, os.Remove(path))
	if _, err := s.Load("demo"); err == nil || !strings.Contains(err.Error(), "is missing (fio-report of write-4k on pve, block 1)") {
		t.Errorf("Load without raw output: %v", err)
	}
	for _, wrong := range [][]byte{content, []byte("no zstd")} {
		check(t, os.WriteFile(path, wrong, 0o600))
		if _, err := s.Raw(blob); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("Raw of a wrong file: %v", err)
		}
	}
	if _, err := s.Raw(results.Blob{SHA256: "../../secret"}); err == nil {
		t.Error("Raw took a path")
	}
	if _, err := s.Raw(results.Blob{SHA256: strings.Repeat("0", 64)}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Raw of an unknown blob: %v", err)
	}
}

// TestLeftovers checks that what a crash may leave behind is no damage.
func TestLeftovers(t *testing.T) {
	s := finished(t)
	for _, file := range []string{".new-123/run.json", begun().ID + "/trials/.writing-99", begun().ID + "/.writing-1", "README"} {
		path := filepath.Join(s.Dir(), file)
		check(t, os.MkdirAll(filepath.Dir(path), 0o755))
		check(t, os.WriteFile(path, nil, 0o600))
	}
	load(t, s, results.Latest)
	if headers, err := s.List(); err != nil || len(headers) != 1 || headers[0].Problem != "" {
		t.Errorf("List: %+v, %v", headers, err)
	}
}

// TestCannotWrite uses a file where a folder must be: unlike permissions that stops even root.
func TestCannotWrite(t *testing.T) {
	s := open(t)
	w := create(t, s, begun())
	add(t, w, trial(1, "pve"), report(1), nil)
	trials := filepath.Join(s.Dir(), w.ID(), "trials")
	check(t, os.Rename(trials, trials+"-away"))
	check(t, os.WriteFile(trials, nil, 0o600))
	_, err := w.Record(trial(2, "small"), outputs(report(2), nil)...)
	var failed *results.WriteError
	if !errors.As(err, &failed) || failed.Kept != 1 || !strings.Contains(err.Error(), trials) || !strings.Contains(err.Error(), "all trials recorded before (1) are kept") {
		t.Fatalf("Record: %v", err)
	}
	check(t, os.Remove(trials))
	check(t, os.Rename(trials+"-away", trials))
	add(t, w, trial(2, "small"), report(2), nil) // the same trial again, once there is room
	if run := load(t, s, w.ID()); len(run.Trials) != 2 {
		t.Errorf("%d trials", len(run.Trials))
	}
}

func TestWriteErrorSaysWhatToDo(t *testing.T) {
	for errno, want := range map[syscall.Errno]string{
		syscall.ENOSPC: "free space on that file system",
		syscall.EDQUOT: "quota",
		syscall.EROFS:  "remount it",
		syscall.EACCES: "make the folder writable",
		syscall.EIO:    "input/output error; all trials",
	} {
		err := &results.WriteError{Path: "/srv/results/x", Kept: 3, Err: &os.PathError{Op: "write", Path: "/tmp", Err: errno}}
		text := err.Error()
		for _, part := range []string{"/srv/results/x", want, "all trials recorded before (3) are kept", errno.Error()} {
			if !strings.Contains(text, part) {
				t.Errorf("%q lacks %q", text, part)
			}
		}
		if !errors.Is(err, errno) {
			t.Errorf("%v is not %v", err, errno)
		}
	}
}
