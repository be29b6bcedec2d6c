package report

import (
	"strings"
	"testing"

	"labctl/pkg/results"
	"labctl/pkg/results/measure"
)

// trial is a valid trial that some fio measured.
func trial(target, version string) results.Trial {
	return results.Trial{Cell: results.Cell{Target: target}, Measures: &measure.Set{FioVersion: version}}
}

// Differing fios are noted for imported runs. Bench judges the programs themselves, and its note is not repeated.
func TestVersions(t *testing.T) {
	for name, test := range map[string]struct {
		run  results.Run
		want string
	}{
		"imported": {results.Run{Trials: []results.Trial{trial("a", "fio-3.33"), trial("b", "fio-3.39"), trial("c", "fio-3.33")}}, "fio-3.33 on a, c; fio-3.39 on b"},
		"equal":    {results.Run{Trials: []results.Trial{trial("a", "fio-3.33"), trial("b", "fio-3.33")}}, ""},
		"judged at bench": {results.Run{
			Targets: []results.Target{{Name: "a", Facts: map[string]string{"fio_version": "fio-3.33"}}},
			Trials:  []results.Trial{trial("a", "fio-3.33"), trial("b", "fio-3.39")},
		}, ""},
	} {
		got := strings.Join(versions(&test.run), "\n")
		if test.want == "" && got != "" || !strings.Contains(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
