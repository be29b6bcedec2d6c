package cli

import (
	"errors"
	"strings"
	"testing"
)

// The last line of `run` claims a proof only when there was one.
func TestLastWord(t *testing.T) {
	for _, test := range []struct {
		name  string
		parts runParts
		code  int
		want  string
	}{
		{"all is well", runParts{parts: []string{"up", "bench", "down"}, removed: true}, exitDone, "removed with proof"},
		{"bench failed", runParts{parts: []string{"up", "bench failed", "down"}, removed: true}, exitFailed, "removed with proof"},
		{"down failed", runParts{parts: []string{"up", "bench", "down failed"}}, exitFailed, "IS OR MAY BE STILL THERE"},
		{"down left something", runParts{parts: []string{"up", "bench", "down failed"}}, exitLeftover, "IS OR MAY BE STILL THERE"},
		{"up was undone", runParts{parts: []string{"up failed"}, undone: true}, exitFailed, "nothing of this run is left"},
		{"undoing left something", runParts{parts: []string{"up failed"}, undone: true}, exitLeftover, "IS OR MAY BE STILL THERE"},
		{"it was up before", runParts{parts: []string{"up failed"}}, exitFailed, "was there before and is left alone"},
		{"kept", runParts{parts: []string{"up", "bench failed"}, left: true}, exitFailed, "left up"},
	} {
		if got := test.parts.line(test.code); !strings.Contains(got, test.want) {
			t.Errorf("%s: %q lacks %q", test.name, got, test.want)
		}
	}
	p := &runParts{}
	p.add("up", errors.New("x"))
	if len(p.parts) != 1 || p.parts[0] != "up failed" {
		t.Errorf("parts %v", p.parts)
	}
}
