package remote

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// released is a command that says "ready" through one named pipe and waits for
// another to be opened; it appends to the file "runs" each time it runs.
const released = `echo run >>runs; echo >ready; read word <go; echo "out $word"; echo err >&2; exit 7`

func release(tb testing.TB, path string) {
	tb.Helper()
	if err := os.WriteFile(path, []byte("word\n"), 0o600); err != nil {
		tb.Error(err)
	}
}

func checkReleased(t *testing.T, server *sshd, got DetachedResult, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if string(got.Stdout) != "out word\n" || string(got.Stderr) != "err\n" || got.ExitCode != 7 {
		t.Errorf("got %d, stdout %q, stderr %q", got.ExitCode, got.Stdout, got.Stderr)
	}
	if got.Ended.Before(got.Started) || time.Since(got.Started) > time.Hour {
		t.Errorf("started %v, ended %v", got.Started, got.Ended)
	}
	if runs, err := os.ReadFile(filepath.Join(server.home, "runs")); err != nil || string(runs) != "run\n" {
		t.Errorf("runs: %q, %v; want one", runs, err)
	}
	checkTidy(t, server)
}

func checkTidy(t *testing.T, server *sshd) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(server.home, ".labctl")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf(".labctl is still there: %v", err)
	}
}

func TestDetached(t *testing.T) {
	server := startServer(t)
	host := connect(t, server.target())
	dir := t.TempDir()
	before := time.Now()
	got, err := host.RunDetached(t.Context(), Detached{
		ID: "trial-1.a_B", Dir: dir, Env: []string{"A=x y"},
		Argv: []string{"sh", "-c", `pwd; echo "$A" "$1" >&2; [ -e /proc/self/fd/8 ] || exit 42`, "sh", "it's $HOME"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if string(got.Stdout) != dir+"\n" || string(got.Stderr) != "x y it's $HOME\n" || got.ExitCode != 42 || got.Reconnects != 0 {
		t.Errorf("got %+v, stdout %q, stderr %q", got, got.Stdout, got.Stderr)
	}
	if got.Started.Before(before) || got.Ended.After(time.Now()) || !got.Started.Before(got.Ended) {
		t.Errorf("started %v, ended %v", got.Started, got.Ended)
	}
	checkTidy(t, server)
}

func TestDetachedLargeOutput(t *testing.T) {
	host := connect(t, startServer(t).target())
	got, err := host.RunDetached(t.Context(), Detached{ID: "big", Argv: []string{"head", "-c", "20000000", "/dev/zero"}})
	if err != nil || len(got.Stdout) != 20_000_000 || len(bytes.Trim(got.Stdout, "\x00")) != 0 {
		t.Errorf("got %d bytes, %v", len(got.Stdout), err)
	}
}

func TestDetachedSurvivesLostConnections(t *testing.T) {
	server := startServer(t)
	host := connect(t, server.target())
	ready, goOn := fifo(t, server.home, "ready"), fifo(t, server.home, "go")
	go func() {
		awaitLine(t, ready)
		for range 2 {
			server.mu.Lock()
			accepted := server.accepted
			server.mu.Unlock()
			server.cut()
			server.awaitConnection(accepted + 1)
		}
		release(t, goOn)
	}()
	got, err := host.RunDetached(t.Context(), Detached{ID: "t", Argv: []string{"sh", "-c", released}})
	checkReleased(t, server, got, err)
	if got.Reconnects < 1 || got.Reconnects > 2 {
		t.Errorf("reconnects %d, want 1 or 2", got.Reconnects)
	}
}

func TestDetachedRunsOncePerID(t *testing.T) {
	server := startServer(t)
	ready, goOn := fifo(t, server.home, "ready"), fifo(t, server.home, "go")
	hosts := []*Host{connect(t, server.target()), connect(t, server.target()), connect(t, server.target())}
	results := make([]DetachedResult, len(hosts))
	errs := make([]error, len(hosts))
	var attending sync.WaitGroup
	for i, host := range hosts {
		if i == 1 {
			awaitLine(t, ready)
		}
		attending.Go(func() {
			results[i], errs[i] = host.RunDetached(context.Background(), Detached{ID: "t", Argv: []string{"sh", "-c", released}})
		})
	}
	server.awaitStarted(len(hosts))
	release(t, goOn)
	attending.Wait()
	winners := 0
	for i, err := range errs {
		var taken *LostCommandError
		if errors.As(err, &taken) {
			continue // another one took the result first
		}
		winners++
		checkReleased(t, server, results[i], err)
	}
	if winners == 0 {
		t.Error("nobody got the result")
	}
}

func TestDetachedIsAttendedAgainAfterCancel(t *testing.T) {
	server := startServer(t)
	host := connect(t, server.target())
	ready, goOn := fifo(t, server.home, "ready"), fifo(t, server.home, "go")
	command := Detached{ID: "t", Argv: []string{"sh", "-c", released}}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		awaitLine(t, ready)
		cancel()
	}()
	if _, err := host.RunDetached(ctx, command); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "goes on") {
		t.Errorf("got %v", err)
	}
	go release(t, goOn)
	got, err := host.RunDetached(t.Context(), command)
	checkReleased(t, server, got, err)
}

func TestDetachedCommandDies(t *testing.T) {
	server := startServer(t)
	host := connect(t, server.target())
	_, err := host.RunDetached(t.Context(), Detached{ID: "t", Argv: []string{"sh", "-c", "echo last words >&2; kill -KILL 0"}})
	var lost *LostCommandError
	if !errors.As(err, &lost) || string(lost.Stderr) != "last words\n" || !strings.Contains(err.Error(), "without an exit code") {
		t.Fatalf("got %v", err)
	}
	checkTidy(t, server)
}

func TestDetachedDoesNotStartWithoutItsTools(t *testing.T) {
	host := connect(t, startServer(t).target())
	host.target.Patience = time.Nanosecond
	// A folder of the ID that cannot be made is the target's fault, not the connection's.
	if err := host.WriteFile(t.Context(), ".labctl", 0o600, nil); err != nil {
		t.Fatal(err)
	}
	_, err := host.RunDetached(t.Context(), Detached{ID: "t", Argv: []string{"true"}})
	var exit *ExitError
	if !errors.As(err, &exit) || !strings.Contains(err.Error(), "mkdir") {
		t.Errorf("got %v", err)
	}
}

func TestStopDetached(t *testing.T) {
	for name, script := range map[string]string{
		"willing":    `echo >ready; read x <go`,
		"left group": `setsid sh -c 'echo >ready; read x <go' & wait`,
		"with child": `sh -c 'read x <go' & echo >ready; wait`,
	} {
		t.Run(name, func(t *testing.T) {
			server := startServer(t)
			host := connect(t, server.target())
			ready := fifo(t, server.home, "ready")
			fifo(t, server.home, "go")
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				awaitLine(t, ready)
				cancel()
			}()
			if _, err := host.RunDetached(ctx, Detached{ID: "t", Argv: []string{"sh", "-c", script}}); !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			for range 2 { // the second finds nothing, which is fine
				if err := host.StopDetached(t.Context(), "t"); err != nil {
					t.Fatal(err)
				}
			}
			checkTidy(t, server)
		})
	}
}

func TestStopDetachedTellsTheOneWhoWaits(t *testing.T) {
	server := startServer(t)
	host := connect(t, server.target())
	ready := fifo(t, server.home, "ready")
	fifo(t, server.home, "go")
	var stopping sync.WaitGroup
	defer stopping.Wait()
	stopping.Go(func() {
		awaitLine(t, ready)
		if err := host.StopDetached(context.Background(), "t"); err != nil {
			t.Error(err)
		}
	})
	got, err := host.RunDetached(t.Context(), Detached{ID: "t", Argv: []string{"sh", "-c", released}})
	var lost *LostCommandError
	// Whoever is first: the one who waits may still read the status.
	if !errors.As(err, &lost) && got.ExitCode != 143 {
		t.Errorf("got %v, %+v", err, got)
	}
}

func TestDetachedRefusesNonsense(t *testing.T) {
	host := connect(t, startServer(t).target())
	for _, command := range []Detached{
		{ID: "", Argv: []string{"true"}},
		{ID: "../x", Argv: []string{"true"}},
		{ID: ".x", Argv: []string{"true"}},
		{ID: "a/b", Argv: []string{"true"}},
		{ID: strings.Repeat("x", 101), Argv: []string{"true"}},
		{ID: "x"},
		{ID: "x", Argv: []string{"a\x00"}},
	} {
		if _, err := host.RunDetached(t.Context(), command); err == nil {
			t.Errorf("%+v: accepted", command)
		}
	}
	if err := host.StopDetached(t.Context(), ".."); err == nil {
		t.Error("StopDetached(..): accepted")
	}
}

// BenchmarkRunDetached measures what a detached command costs beyond itself:
// the command is true.
func BenchmarkRunDetached(b *testing.B) {
	host := connect(b, startServer(b).target())
	for b.Loop() {
		if _, err := host.RunDetached(b.Context(), Detached{ID: "bench", Argv: []string{"true"}}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRun is the plain counterpart of BenchmarkRunDetached.
func BenchmarkRun(b *testing.B) {
	host := connect(b, startServer(b).target())
	for b.Loop() {
		if _, err := host.Run(b.Context(), Command{Argv: []string{"true"}}); err != nil {
			b.Fatal(err)
		}
	}
}
