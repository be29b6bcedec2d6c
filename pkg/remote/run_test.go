package remote

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"
)

func TestRun(t *testing.T) {
	host := connect(t, startServer(t).target())
	big := strings.Repeat("0123456789abcdef", 256<<10)
	for name, test := range map[string]struct {
		command        Command
		stdout, stderr string
	}{
		"script":            {Command{Script: "echo out; echo err >&2"}, "out\n", "err\n"},
		"script with lines": {Command{Script: "if true; then\n\techo 'it'\"'\"'s'\nfi"}, "it's\n", ""},
		"arguments are not expanded": {
			Command{Argv: []string{"printf", "%s|", "$HOME", "a b", "", "it's", "*", "`id`", "-n", "\\", "ä\n"}},
			"$HOME|a b||it's|*|`id`|-n|\\|ä\n|", "",
		},
		"environment":       {Command{Script: `echo "$A/$B"`, Env: []string{"A=x y", "B=$A"}}, "x y/$A\n", ""},
		"folder":            {Command{Argv: []string{"pwd"}, Dir: "/"}, "/\n", ""},
		"stdin":             {Command{Argv: []string{"cat"}, Stdin: []byte(big)}, big, ""},
		"stdin is not read": {Command{Argv: []string{"true"}, Stdin: []byte(big)}, "", ""},
		"no stdin":          {Command{Argv: []string{"cat"}}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := host.Run(t.Context(), test.command)
			if err != nil {
				t.Fatal(err)
			}
			if string(out.Stdout) != test.stdout || string(out.Stderr) != test.stderr {
				t.Errorf("got stdout %.200q stderr %.200q\nwant   %.200q        %.200q", out.Stdout, out.Stderr, test.stdout, test.stderr)
			}
		})
	}
}

func TestRunFails(t *testing.T) {
	host := connect(t, startServer(t).target())
	for name, test := range map[string]struct {
		command Command
		want    ExitError
		message string
	}{
		"exit status": {
			Command{Script: "echo first >&2; echo out; echo last >&2; exit 3"},
			ExitError{Code: 3, Stderr: []byte("first\nlast\n")},
			"vm1: echo first >&2; echo out; echo last >&2; exit 3: exit status 3: first last",
		},
		"signal":    {Command{Script: "kill -KILL $$"}, ExitError{Code: -1, Signal: "KILL"}, "vm1: kill -KILL $$: killed by SIGKILL"},
		"no folder": {Command{Argv: []string{"true"}, Dir: "/nonexistent"}, ExitError{Code: 2}, "/nonexistent"},
		"no such program": {
			Command{Argv: []string{"labctl-no-such-program"}}, ExitError{Code: 127}, "not found",
		},
		"long stderr is cut in the message only": {
			Command{Script: "printf '%01000d\n' 0 >&2; echo because >&2; exit 1"},
			ExitError{Code: 1, Stderr: []byte(strings.Repeat("0", 1000) + "\nbecause\n")},
			"000 because",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := host.Run(t.Context(), test.command)
			var got *ExitError
			if !errors.As(err, &got) {
				t.Fatalf("got %v, want an ExitError", err)
			}
			if got.Code != test.want.Code || got.Signal != test.want.Signal {
				t.Errorf("got code %d signal %q, want %d %q", got.Code, got.Signal, test.want.Code, test.want.Signal)
			}
			if test.want.Stderr != nil && !bytes.Equal(got.Stderr, test.want.Stderr) {
				t.Errorf("stderr %q, want %q", got.Stderr, test.want.Stderr)
			}
			if !strings.Contains(err.Error(), test.message) || len(err.Error()) > 600 {
				t.Errorf("message %q, want it short and with %q", err, test.message)
			}
		})
	}
}

func TestRunRefusesNonsense(t *testing.T) {
	host := connect(t, startServer(t).target())
	for name, command := range map[string]Command{
		"empty":    {},
		"both":     {Script: "true", Argv: []string{"true"}},
		"NUL":      {Argv: []string{"echo", "a\x00b"}},
		"too long": {Script: strings.Repeat("#", maxScript)},
	} {
		if _, err := host.Run(t.Context(), command); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestRunEndsTheCommandWithItsContext(t *testing.T) {
	server := startServer(t)
	host := connect(t, server.target())
	ready, over := fifo(t, server.home, "ready"), fifo(t, server.home, "over")
	fifo(t, server.home, "never")
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("user pressed ctrl-c")
	go func() {
		awaitLine(t, ready)
		cancel(why)
	}()
	_, err := host.Run(ctx, Command{Script: `exec 2>/dev/null; trap '' HUP; trap 'echo terminated >over; exit' TERM; echo >ready; while :; do read x <never; done`})
	if !errors.Is(err, why) {
		t.Errorf("got %v, want the context's cause", err)
	}
	if got := awaitLine(t, over); got != "terminated\n" {
		t.Errorf("the command ended with %q", got)
	}
}

func TestLostConnection(t *testing.T) {
	server := startServer(t)
	host := connect(t, server.target())
	ready := fifo(t, server.home, "ready")
	fifo(t, server.home, "never")
	go func() {
		awaitLine(t, ready)
		server.cut()
	}()
	_, err := host.Run(t.Context(), Command{Script: "echo >ready; read x <never"})
	var lost *ConnectionLostError
	if !errors.As(err, &lost) {
		t.Fatalf("got %v, want ConnectionLostError", err)
	}
	// Nothing is known to run on the new connection, so opening one is safe.
	if _, err := host.Run(t.Context(), Command{Argv: []string{"true"}}); err != nil {
		t.Errorf("after a lost connection: %v", err)
	}
	if err := host.Close(); err != nil {
		t.Error(err)
	}
	if _, err := host.Run(t.Context(), Command{Argv: []string{"true"}}); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestFiles(t *testing.T) {
	server := startServer(t)
	host := connect(t, server.target())
	content := bytes.Repeat([]byte("a\x00\xff\n"), 300<<10)
	for _, path := range []string{"plain", "-n it's", filepath.Join(server.home, "absolute")} {
		if err := host.WriteFile(t.Context(), path, 0o640, content); err != nil {
			t.Fatal(err)
		}
		got, err := host.ReadFile(t.Context(), path)
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s: read back %d bytes, %v; want %d", path, len(got), err, len(content))
		}
	}
	info, err := os.Stat(filepath.Join(server.home, "plain"))
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if _, err := host.ReadFile(t.Context(), "missing"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v, want fs.ErrNotExist", err)
	}
	var exit *ExitError
	if err := host.WriteFile(t.Context(), "no/such/folder", 0o600, nil); !errors.As(err, &exit) || len(err.Error()) > 200 {
		t.Errorf("missing folder: %v", err)
	}
	if files, err := os.ReadDir(server.home); err != nil || len(files) != 3 {
		t.Errorf("left behind: %v, %v", files, err)
	}
}

func TestCutOffContentReplacesNothing(t *testing.T) {
	server := startServer(t)
	host := connect(t, server.target())
	if err := host.WriteFile(t.Context(), "f", 0o600, []byte("old")); err != nil {
		t.Fatal(err)
	}
	_, err := host.Run(t.Context(), Command{Argv: []string{"sh", "-c", writeScript, "labctl", "./f", "600", "4"}, Stdin: []byte("new")})
	if err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("got %v", err)
	}
	if got, err := host.ReadFile(t.Context(), "f"); err != nil || string(got) != "old" {
		t.Errorf("file is now %q, %v", got, err)
	}
}

func TestQuoteSurvivesTheShell(t *testing.T) {
	host := connect(t, startServer(t).target())
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.StringMatching(`[^\x00]*`), 1, 5).Draw(t, "words")
		out, err := host.Run(context.Background(), Command{Argv: append([]string{"printf", `%s\0`}, words...)})
		if err != nil {
			t.Fatal(err)
		}
		if want := strings.Join(words, "\x00") + "\x00"; string(out.Stdout) != want {
			t.Fatalf("got %q, want %q", out.Stdout, want)
		}
	})
}

// fifo makes a named pipe in folder.
func fifo(tb testing.TB, folder, name string) string {
	tb.Helper()
	path := filepath.Join(folder, name)
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// awaitLine blocks until somebody wrote to the named pipe.
func awaitLine(tb testing.TB, path string) string {
	tb.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		tb.Error(err)
	}
	return string(text)
}
