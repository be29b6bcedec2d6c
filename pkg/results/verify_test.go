package results_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"labctl/pkg/results"
)

// whole is a finished run of two targets, two workloads and some blocks, and the folder it is in.
func whole(t *testing.T, s *results.Store, n, blocks int) string {
	t.Helper()
	run := begun()
	run.ID = fmt.Sprintf("20260102T1504%02dZ-%04x", n%60, n)
	run.Plan.Cells = nil
	var trials []results.Trial
	for block := 1; block <= blocks; block++ {
		for _, target := range []string{"pve", "small"} {
			for _, workload := range []string{"write-4k", "sync"} {
				trial := trial(1, target)
				trial.Block, trial.Workload, trial.Seq = block, workload, 0
				trials = append(trials, trial)
				run.Plan.Cells = append(run.Plan.Cells, results.PlannedCell{Cell: trial.Cell})
			}
		}
	}
	w := create(t, s, run)
	for i, trial := range trials {
		add(t, w, trial, report(1000+n+i), fmt.Appendf(nil, "note %d", i))
	}
	check(t, w.Finish(results.StatusComplete, "", overhead()))
	return filepath.Join(s.Dir(), run.ID)
}

// replaceFile changes a read-only file of a run.
func replaceFile(t *testing.T, path string, content []byte) {
	t.Helper()
	check(t, os.Remove(path))
	check(t, os.WriteFile(path, content, 0o444))
}

func onlyMatch(t *testing.T, dir, pattern string) string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, pattern))
	check(t, err)
	if len(paths) == 0 {
		t.Fatalf("no %s in %s", pattern, dir)
	}
	return paths[0]
}

// damages are ways in which a run can rot or be changed. What only Verify can find is not found by Load.
var damages = map[string]struct {
	do         func(t *testing.T, dir string)
	verifyOnly bool
}{
	"raw file emptied": {do: func(t *testing.T, dir string) { replaceFile(t, onlyMatch(t, dir, "raw/*"), nil) }},
	"one bit flipped in a raw file": {do: func(t *testing.T, dir string) {
		path := onlyMatch(t, dir, "raw/*")
		content, err := os.ReadFile(path)
		check(t, err)
		content[len(content)/2] ^= 1
		replaceFile(t, path, content)
	}},
	"raw file gone": {do: func(t *testing.T, dir string) { check(t, os.Remove(onlyMatch(t, dir, "raw/*"))) }},
	"raw files exchanged": {do: func(t *testing.T, dir string) {
		paths, err := filepath.Glob(filepath.Join(dir, "raw/*"))
		check(t, err)
		check(t, os.Rename(paths[0], paths[0]+".x"))
		check(t, os.Rename(paths[1], paths[0]))
		check(t, os.Rename(paths[0]+".x", paths[1]))
	}},
	"raw file is a symbolic link": {do: func(t *testing.T, dir string) {
		path := onlyMatch(t, dir, "raw/*")
		check(t, os.Rename(path, filepath.Join(dir, "..", "moved")))
		check(t, os.Symlink(filepath.Join(dir, "..", "moved"), path))
	}},
	"trial is a FIFO": {do: func(t *testing.T, dir string) {
		path := onlyMatch(t, dir, "trials/*")
		check(t, os.Remove(path))
		check(t, syscall.Mkfifo(path, 0o600))
	}},
	"number edited": {do: func(t *testing.T, dir string) { edit(t, dir, "trials/b2-pve-sync*", `"iops": `, `"iops": 1`) }},
	"target swapped": {do: func(t *testing.T, dir string) {
		edit(t, dir, "trials/b2-pve-sync*", `"target": "pve"`, `"target": "small"`)
	}},
	"trial gone":      {do: func(t *testing.T, dir string) { check(t, os.Remove(onlyMatch(t, dir, "trials/b3*"))) }},
	"trial cut short": {do: func(t *testing.T, dir string) { edit(t, dir, "trials/b1-pve-sync*", "}\n", "") }},
	"spec edited":     {do: func(t *testing.T, dir string) { edit(t, dir, "run.json", "name: demo", "name: dime") }},
	"ending edited":   {do: func(t *testing.T, dir string) { edit(t, dir, "finished.json", `"fio": "23s"`, `"fio": "33s"`) }},
	"file added":      {do: func(t *testing.T, dir string) { check(t, os.WriteFile(filepath.Join(dir, "x"), nil, 0o600)) }},
	"ending gone":     {verifyOnly: true, do: func(t *testing.T, dir string) { check(t, os.Remove(filepath.Join(dir, "finished.json"))) }},
	"trial written anew with its hash": {do: func(t *testing.T, dir string) {
		forge(t, onlyMatch(t, dir, "trials/b2-pve-sync*"), `"iops": `, `"iops": 1`)
	}},
	"trial, hash and ending written anew": {verifyOnly: true, do: func(t *testing.T, dir string) {
		path := onlyMatch(t, dir, "trials/b2-pve-sync*")
		before, after := forge(t, path, `"iops": `, `"iops": 1`)
		sealed := func(content []byte) string {
			return fmt.Sprintf("%q,\n      \"size_bytes\": %d", results.HashOf(content), len(content))
		}
		forge(t, filepath.Join(dir, "finished.json"), sealed(before), sealed(after))
	}},
}

// edit replaces text in a file once.
func edit(t *testing.T, dir, pattern, from, to string) {
	t.Helper()
	path := onlyMatch(t, dir, pattern)
	content, err := os.ReadFile(path)
	check(t, err)
	changed := strings.Replace(string(content), from, to, 1)
	if changed == string(content) {
		t.Fatalf("%s has no %q", path, from)
	}
	replaceFile(t, path, []byte(changed))
}

// forge edits a file and gives it the right hash of its own.
func forge(t *testing.T, path string, changes ...string) (before, after []byte) {
	t.Helper()
	before, err := os.ReadFile(path)
	check(t, err)
	_, rest, _ := bytes.Cut(before, []byte(",\n"))
	changed := []byte("{\n" + strings.NewReplacer(changes...).Replace(string(rest)))
	var ordered json.RawMessage
	check(t, json.Unmarshal(changed, &ordered))
	after = results.Forge(ordered)
	replaceFile(t, path, after)
	return before, after
}

func TestVerifyFindsDamage(t *testing.T) {
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			dir := whole(t, s, 1, 3)
			damage.do(t, dir)
			begun := time.Now()
			v, err := s.Verify(filepath.Base(dir))
			if err != nil || len(v.Damage) == 0 {
				t.Errorf("Verify: %+v, %v", v, err)
			}
			for _, d := range v.Damage {
				t.Log(strings.TrimPrefix(d.Path, dir), d.Problem)
			}
			_, err = s.Load(filepath.Base(dir))
			if found := err != nil; found == damage.verifyOnly {
				t.Errorf("Load: %v", err)
			}
			var doc bytes.Buffer
			if err := s.Export(filepath.Base(dir), &doc); (err != nil || doc.Len() == 0) == damage.verifyOnly {
				t.Errorf("Export of %d bytes: %v", doc.Len(), err)
			}
			if took := time.Since(begun); took > 20*time.Second {
				t.Errorf("reading took %s", took)
			}
		})
	}
	if len(damages) < 12 {
		t.Errorf("%d kinds of damage", len(damages))
	}
}

func TestVerifyFindsNothing(t *testing.T) {
	s := open(t)
	for n := range 100 {
		whole(t, s, n, 1)
	}
	headers, err := s.List()
	check(t, err)
	for _, h := range headers {
		v, err := s.Verify(h.ID)
		if err != nil || len(v.Damage) > 0 || !v.Sealed || v.Trials != 4 || v.Files != 1+4+8+1 || h.Problem != "" {
			t.Errorf("%s: %+v, %v, %s", h.ID, v, err, h.Problem)
		}
	}
	if len(headers) != 100 {
		t.Errorf("%d runs", len(headers))
	}
}
