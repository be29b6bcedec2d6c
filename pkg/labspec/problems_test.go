package labspec

import (
	"slices"
	"strings"
	"testing"
)

func TestProblems(t *testing.T) {
	base := read(t, "testdata/base.yaml")
	for _, c := range slices.Concat(mistakes, workloadMistakes) {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(base, c.replace, c.by, 1)
			if text == base {
				t.Fatalf("base.yaml has no %q", c.replace)
			}
			got := "no problem"
			if _, err := Parse("lab.yaml", []byte(text)); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}
