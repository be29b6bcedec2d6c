package labspec

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzParse wants of any input: no panic, either a lab or problems, and every problem at a place inside of the file.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/*.yaml", "../../lab-specs/*.yaml"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	for _, text := range []string{"", "\ufeff", "a: &x [*x]", "<<: {a: 1}", "? a\n: b", "%YAML 1.2\n---\n", "!!map {a: b}", "- - - a", "vms: [{name: a}, [], ~]", "suite: {workloads: [{fio: {rw: , a: |\n x\n}}]}", "host: {}\nvmDefaults: 3\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		lab, err := Parse("fuzz.yaml", data)
		if (err == nil) == (lab == nil) {
			t.Fatalf("Parse returned %v and %v", lab, err)
		}
		if err != nil {
			checkProblems(t, string(data), err)
		}
	})
}

func checkProblems(t *testing.T, text string, err error) {
	t.Helper()
	var problems Errors
	if !errors.As(err, &problems) || len(problems) == 0 {
		t.Fatalf("Parse returned %T: %v", err, err)
	}
	lines := strings.Count(text, "\n") + strings.Count(text, "\r") + 1
	for i, p := range problems {
		if p.Line < 1 || p.Line > lines || p.Column < 1 || p.Problem == "" {
			t.Errorf("problem outside of the file's %d lines: %+v", lines, p)
		}
		if i > 0 && p.Line < problems[i-1].Line {
			t.Errorf("problems out of order: %v before %v", problems[i-1], p)
		}
	}
}
