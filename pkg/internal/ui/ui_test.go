package ui

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestWithoutTerminalOnlyLinesAreWritten(t *testing.T) {
	var talk bytes.Buffer
	progress := NewProgress(IO{Err: &talk}, false)
	progress.Status(func(time.Duration) string { return "under way" })
	progress.Line("VM %s is up", "2gb")
	progress.Close()
	progress.Close() // harmless
	if got := talk.String(); !strings.HasSuffix(got, "s  VM 2gb is up\n") || strings.Contains(got, "under way") || strings.Contains(got, "\x1b") {
		t.Errorf("talk %q", got)
	}
}

func TestTerminalRedrawsTheStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var talk bytes.Buffer
		progress := NewProgress(IO{Err: &talk, ErrIsTerminal: true}, false)
		progress.Status(func(elapsed time.Duration) string { return "waiting " + Short(elapsed) })
		<-time.After(450 * time.Millisecond) // virtual time: two redraws
		progress.Line("done")
		progress.Close()
		got := talk.String()
		if strings.Count(got, "waiting") != 4 || !strings.Contains(got, "waiting 0.4s") {
			t.Errorf("talk %q", got)
		}
		if !strings.HasSuffix(got, "\r\x1b[K") {
			t.Errorf("the last live line stays: %q", got)
		}
	})
}

// TestWithoutTerminalALineAMinute: who reads a log learns what is waited for, as long as nothing else is said.
func TestWithoutTerminalALineAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var talk bytes.Buffer
		progress := NewProgress(IO{Err: &talk}, false)
		progress.Status(func(elapsed time.Duration) string { return "waiting for a, " + Short(elapsed) })
		<-time.After(2*time.Minute + 30*time.Second)
		progress.Line("b is up")
		<-time.After(50 * time.Second)
		progress.Status(nil)
		<-time.After(5 * time.Minute)
		progress.Close()
		want := "   60.0s  waiting for a, 1m00s\n  120.0s  waiting for a, 2m00s\n  150.0s  b is up\n"
		if got := talk.String(); got != want {
			t.Errorf("talk\n%swant\n%s", got, want)
		}
	})
}

func TestQuietSaysNothing(t *testing.T) {
	var talk bytes.Buffer
	progress := NewProgress(IO{Err: &talk, ErrIsTerminal: true}, true)
	progress.Status(func(time.Duration) string { return "x" })
	progress.Line("x")
	progress.Close()
	if talk.Len() > 0 {
		t.Errorf("talk %q", talk.String())
	}
}

func TestShort(t *testing.T) {
	for _, test := range []struct {
		d    time.Duration
		want string
	}{
		{0, "0.0s"},
		{340 * time.Millisecond, "0.3s"},
		{12400 * time.Millisecond, "12s"},
		{59900 * time.Millisecond, "60s"},
		{time.Minute, "1m00s"},
		{185 * time.Second, "3m05s"},
		{130 * time.Minute, "2h10m"},
		{26 * time.Hour, "26h00m"},
	} {
		if got := Short(test.d); got != test.want {
			t.Errorf("Short(%s) = %q, want %q", test.d, got, test.want)
		}
	}
}

func TestCut(t *testing.T) {
	for _, test := range []struct {
		text  string
		width int
		want  string
	}{{"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"äöüß", 4, "äöüß"}, {"abc", 0, "…"}} {
		if got := cut(test.text, test.width); got != test.want {
			t.Errorf("cut(%q, %d) = %q, want %q", test.text, test.width, got, test.want)
		}
	}
}
