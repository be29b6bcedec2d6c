package results_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"labctl/pkg/results"
)

func exported(t *testing.T, s *results.Store, ref string) []byte {
	t.Helper()
	var doc bytes.Buffer
	check(t, s.Export(ref, &doc))
	return doc.Bytes()
}

func TestExportAndImport(t *testing.T) {
	source, sink := finished(t), open(t)
	doc := exported(t, source, "demo")
	if !json.Valid(doc) {
		t.Fatal("the export is no JSON")
	}
	for range 2 { // the second time changes nothing
		runs, err := sink.Import("demo-export.json", doc)
		check(t, err)
		if diff := cmp.Diff(tree(t, source.Dir()), tree(t, sink.Dir())); diff != "" {
			t.Fatalf("files (-exported +imported):\n%s", diff)
		}
		if diff := cmp.Diff(load(t, source, "demo"), &runs[0]); diff != "" {
			t.Errorf("run (-exported +imported):\n%s", diff)
		}
	}
	if !bytes.Equal(doc, exported(t, sink, "demo")) {
		t.Error("the export of the import is another one")
	}
	compact := &bytes.Buffer{}
	check(t, json.Compact(compact, doc))
	if _, err := open(t).Import("x", compact.Bytes()); err != nil {
		t.Errorf("importing the export without its white space: %v", err)
	}
}

func TestExportOfInterrupted(t *testing.T) {
	source, sink := open(t), open(t)
	unplanned := begun()
	unplanned.Plan = results.Plan{}
	w := create(t, source, unplanned)
	add(t, w, trial(1, "pve <&>"), report(1), nil)
	if err := source.Export(w.ID(), &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "is writing this run") {
		t.Errorf("Export while it is written: %v", err)
	}
	check(t, w.Close())
	runs, err := sink.Import("x", exported(t, source, w.ID()))
	check(t, err)
	if runs[0].Status != results.StatusInterrupted || runs[0].Trials[0].Target != "pve <&>" {
		t.Errorf("imported %+v", runs[0])
	}
	again, _, err := source.Resume(w.ID())
	check(t, err)
	check(t, again.Finish(results.StatusComplete, "", nil))
	if _, err := sink.Import("x", exported(t, source, w.ID())); err == nil || !strings.Contains(err.Error(), "has other content") {
		t.Errorf("importing what became of the run: %v", err)
	}
}

func TestExportRefuses(t *testing.T) {
	s := finished(t)
	var missing *results.NotFoundError
	if err := s.Export("nothing", &bytes.Buffer{}); !errors.As(err, &missing) {
		t.Errorf("unknown: %v", err)
	}
	if err := s.Export("demo", brokenWriter{}); !errors.Is(err, errBroken) {
		t.Errorf("broken pipe: %v", err)
	}
}

func TestImportOfBrokenExport(t *testing.T) {
	doc := string(exported(t, finished(t), "demo"))
	for _, test := range []struct{ name, old, new, want string }{
		{"version", `"labctl_export": 1`, `"labctl_export": 2`, "export format 2"},
		{"ID", `"id": "20260102T150405Z-1a2b",` + "\n  \"files\"", `"id": "../../x",` + "\n  \"files\"", "is not a run ID"},
		{"other run", `"id": "20260102T150405Z-1a2b",` + "\n  \"files\"", `"id": "20260102T150405Z-ffff",` + "\n  \"files\"", `belongs to run`},
		{"path", `"path": "run.json",` + "\n      \"sha256\"", `"path": "../run.json",` + "\n      \"sha256\"", `file "../run.json"`},
		{"no manifest", `"path": "run.json",` + "\n      \"sha256\"", `"path": "finished-2.json",` + "\n      \"sha256\"", "no run.json"},
		{"ending", `"trials": 2`, `"trials": 3`, "does not fit its hash"},
		{"number", `"iops": 4001`, `"iops": 5001`, "does not fit its hash"},
		{"raw data", `"base64": "KLUv`, `"base64": "KLUw`, "does not fit its hash"},
		{"not an export", `"files": [`, `"files": 1, "x": [`, "reading export"},
	} {
		broken := strings.Replace(doc, test.old, test.new, 1)
		s := open(t)
		_, err := s.Import("x", []byte(broken))
		if broken == doc || err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
		if files := tree(t, filepath.Dir(s.Dir())); len(files) != 0 {
			t.Errorf("%s: left %d files behind", test.name, len(files))
		}
	}
}

// TestImportOfMixedUpRaw exchanges two raw files, hashes included.
func TestImportOfMixedUpRaw(t *testing.T) {
	doc := string(exported(t, finished(t), "demo"))
	names := regexp.MustCompile(`\n      "path": "raw/[0-9a-f]{64}\.zst`).FindAllString(doc, 2)
	doc = strings.NewReplacer(names[0], names[1], names[1], names[0]).Replace(doc)
	if _, err := open(t).Import("x", []byte(doc)); err == nil || !strings.Contains(err.Error(), "does not fit its name") {
		t.Errorf("Import: %v", err)
	}
}

var errBroken = errors.New("broken pipe")

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }
