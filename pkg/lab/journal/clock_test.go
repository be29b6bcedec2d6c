package journal_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"labctl/pkg/lab/journal"
)

// A clock that is ahead is noted once, and again only when it is further ahead: a run that is over proves less, not more.
func TestNoteAhead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	book, err := journal.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := book.Begin(journal.Begin{RunID: "1", Lab: "lab"}); err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		ahead, want time.Duration
		entries     int
	}{
		{0, 0, 1},
		{-time.Hour, 0, 1},
		{9 * time.Second, 0, 1}, // clocks that agree, or ours is behind: no entry
		{time.Hour, time.Hour, 2},
		{time.Hour + time.Second, time.Hour, 2},
		{time.Minute, time.Hour, 2},
		{2 * time.Hour, 2 * time.Hour, 3},
	}
	for _, step := range steps {
		if err := book.NoteAhead(step.ahead); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got, lines := book.State().Ahead(), strings.Count(string(data), "\n"); got != step.want || lines != step.entries {
			t.Errorf("after %s: %s in %d entries, want %s in %d", step.ahead, got, lines, step.want, step.entries)
		}
	}
	if err := book.Close(); err != nil {
		t.Fatal(err)
	}
	if state, err := journal.Read(path); err != nil || state.Ahead() != 2*time.Hour {
		t.Errorf("read back: %s, %v", state.Ahead(), err)
	}
}
