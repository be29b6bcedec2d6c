package results_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"labctl/pkg/results"
)

// history is a store of runs of two labs, the newest of which was interrupted before its first trial ended.
func history(t *testing.T) *results.Store {
	t.Helper()
	s := open(t)
	for day, lab := range []string{"", "nightly", "nightly", "weekly", "nightly"} {
		if lab == "" {
			continue
		}
		run := begun()
		run.ID, run.Lab, run.Plan = fmt.Sprintf("2026010%dT000000Z-aa0%d", day, day), lab, results.Plan{}
		run.Created = time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC)
		w := create(t, s, run)
		if day < 4 {
			add(t, w, trial(1, "pve"), report(day), nil)
			check(t, w.Finish(results.StatusComplete, "", nil))
		} else {
			check(t, w.Finish(results.StatusInterrupted, "^C", nil))
		}
	}
	return s
}

func TestNewestRun(t *testing.T) {
	s := history(t)
	if id, err := s.Tag("good", "nightly~1"); err != nil || id != "20260101T000000Z-aa01" {
		t.Fatalf("tagged %s, %v", id, err)
	}
	for ref, want := range map[string]string{
		"latest": "20260103T000000Z-aa03", "latest~1": "20260102T000000Z-aa02", "latest~2": "20260101T000000Z-aa01",
		"nightly": "20260102T000000Z-aa02", "nightly~1": "20260101T000000Z-aa01", "weekly": "20260103T000000Z-aa03",
		"20260104": "20260104T000000Z-aa04", "good": "20260101T000000Z-aa01",
	} {
		if run := load(t, s, ref); run.ID != want {
			t.Errorf("%s is %s, want %s", ref, run.ID, want)
		}
	}
	for _, ref := range []string{"latest~3", "weekly~1", "nightly~x", "bad"} {
		if run, err := s.Load(ref); err == nil {
			t.Errorf("%s is %s", ref, run.ID)
		}
	}
}

func TestTags(t *testing.T) {
	s := history(t)
	for _, name := range []string{"", "latest", "nightly", "20260101", "a b", "../x", "a/b", ".hidden", strings.Repeat("x", 65)} {
		if _, err := s.Tag(name, "latest"); err == nil {
			t.Errorf("%q became a tag", name)
		}
	}
	for _, ref := range []string{"latest~2", "latest"} { // a tag can move
		_, err := s.Tag("v1", ref)
		check(t, err)
	}
	tags, err := s.Tags()
	check(t, err)
	if diff := cmp.Diff(map[string]string{"v1": "20260103T000000Z-aa03"}, tags); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	check(t, s.Untag("v1"))
	if err := s.Untag("v1"); err == nil {
		t.Error("a tag was removed twice")
	}
	if _, err := s.Load("v1"); err == nil {
		t.Error("a tag that is gone is known")
	}
	check(t, os.WriteFile(filepath.Join(s.Dir(), "tags", "odd"), []byte("../../etc"), 0o600))
	if _, err := s.Load("odd"); err == nil || !strings.Contains(err.Error(), "is not a run ID") {
		t.Errorf("a tag of no run: %v", err)
	}
}

func TestPrune(t *testing.T) {
	everything := results.Pruning{Before: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	for name, test := range map[string]struct {
		pruning results.Pruning
		tag     string
		want    string
	}{
		"nothing asked":    {results.Pruning{}, "", ""},
		"void":             {results.Pruning{Void: true}, "", "aa04"},
		"all but the last": {results.Pruning{Keep: 1}, "", "aa01"},
		"all but two":      {results.Pruning{Keep: 2}, "", ""},
		"all":              {everything, "", "aa01 aa04"},
		"tagged":           {everything, "latest~2", "aa04"},
		"old":              {results.Pruning{Before: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)}, "", "aa01"},
	} {
		t.Run(name, func(t *testing.T) {
			s := history(t)
			if test.tag != "" {
				_, err := s.Tag("keep", test.tag)
				check(t, err)
			}
			headers, err := s.Prunable(test.pruning)
			check(t, err)
			var got []string
			for _, h := range headers {
				got = append(got, h.ID[len(h.ID)-4:])
				check(t, s.Remove(h.ID))
			}
			if strings.Join(got, " ") != test.want {
				t.Errorf("prunable are %v, want %s", got, test.want)
			}
			if left, err := s.List(); err != nil || len(left) != 4-len(got) {
				t.Errorf("%d runs are left, %v", len(left), err)
			}
		})
	}
}

// A run that is being written is neither prunable nor removed.
func TestRemoveOfARunThatIsWritten(t *testing.T) {
	s := open(t)
	w := create(t, s, begun())
	if headers, err := s.Prunable(results.Pruning{Void: true, Before: time.Now().Add(time.Hour)}); err != nil || len(headers) > 0 {
		t.Errorf("prunable: %v, %v", headers, err)
	}
	if err := s.Remove(w.ID()); err == nil || !strings.Contains(err.Error(), "is writing this run") {
		t.Errorf("Remove: %v", err)
	}
	if err := s.Remove("../x"); err == nil {
		t.Error("Remove took a path")
	}
}
