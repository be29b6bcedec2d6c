package results_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"labctl/pkg/results"
)

func TestImportTwice(t *testing.T) {
	s := open(t)
	first, err := s.Import("nightly.json", report(1000))
	check(t, err)
	before := tree(t, s.Dir())
	again, err := s.Import("copy-of-nightly.json", report(1000))
	check(t, err)
	if diff := cmp.Diff(before, tree(t, s.Dir())); diff != "" || asJSON(t, first) != asJSON(t, again) {
		t.Errorf("the second import changed something:\n%s", diff)
	}
}

func TestImportFioReport(t *testing.T) {
	s := open(t)
	data := append([]byte("note: queue depth will be capped at 1\n"), report(1000)...)
	for target, runs := range map[string]func() ([]results.Run, error){
		"imported": func() ([]results.Run, error) { return s.Import("x.json", data) },
		"db1": func() ([]results.Run, error) {
			return s.ImportFile(results.File{Name: "x.json", Target: "db1", Data: data})
		},
	} {
		runs, err := runs()
		check(t, err)
		trial := runs[0].Trials[0]
		if len(runs[0].Trials) != 1 || trial.Target != target || trial.Workload != "random-write" || trial.Measures == nil || runs[0].Targets[0].Name != target {
			t.Errorf("%s: %+v", target, runs[0])
		}
		raw, err := s.Raw(trial.Artifacts[0].Blob)
		if err != nil || string(raw) != string(data) {
			t.Errorf("%s: raw data %q, %v", target, raw, err)
		}
	}
	if headers, err := s.List(); err != nil || len(headers) != 2 {
		t.Errorf("List: %+v, %v", headers, err)
	}
}

func TestImportErrors(t *testing.T) {
	text := string(report(1))
	for name, test := range map[string]struct{ data, want string }{
		"empty":        {"", "no fio JSON report"},
		"text":         {"hello", "no fio JSON report"},
		"cut":          {text[:len(text)-40], "cut short"},
		"empty object": {"{}", "no fio JSON report"},
		"no time":      {strings.NewReplacer("1767366255123", "0", "1767366255", "0").Replace(text), "no timestamp"},
		"far future":   {strings.NewReplacer("1767366255123", "9223372036854775807", "1767366255", "922337203685477580").Replace(text), "no timestamp"},
	} {
		s := open(t)
		_, err := s.Import("x.json", []byte(test.data))
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "importing x.json: ") {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
		if len(tree(t, filepath.Dir(s.Dir()))) != 0 {
			t.Errorf("%s: left something behind", name)
		}
	}
}

func FuzzImport(f *testing.F) {
	f.Add(report(1))
	f.Add([]byte(`{"labctl_export": 1, "id": "20260102T150405Z-1a2b", "files": [{"path": "run.json", "sha256": "", "json": {}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := open(t)
		runs, err := s.Import("x.json", data)
		if err != nil {
			return
		}
		before := tree(t, s.Dir())
		if _, err := s.Import("x.json", data); err != nil || !cmp.Equal(before, tree(t, s.Dir())) {
			t.Fatalf("second import of %s: %v", runs[0].ID, err)
		}
	})
}
