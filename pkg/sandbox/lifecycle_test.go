package sandbox

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The settings that make this test program a sandbox of its own.
const (
	testDir   = "SANDBOX_TEST_DIR"
	testStuck = "SANDBOX_TEST_STUCK" // a pipe that is opened when it is as good as ready; ready it never is
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(testDir); dir != "" {
		os.Exit(serveTest(dir, os.Getenv(testStuck)))
	}
	os.Exit(m.Run())
}

// serveTest is a background sandbox. It leaves a file when it ends in an orderly way.
func serveTest(dir, stuck string) int {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM)
	defer stop()
	err := Serve(ctx, Options{Dir: dir, Listen: "127.0.0.1:0", Major: 9}, func(info Info) error {
		if stuck == "" {
			return Report(&info, nil)
		}
		err := os.WriteFile(stuck, nil, 0)
		<-ctx.Done()
		return errors.Join(err, ctx.Err())
	})
	if err := errors.Join(err, os.WriteFile(filepath.Join(dir, "orderly"), nil, 0o600)); err != nil {
		return 1
	}
	return 0
}

// startInBackground starts a sandbox as a process, which the test's end stops.
func startInBackground(t *testing.T, dir string) Info {
	t.Helper()
	t.Setenv(testDir, dir)
	info, err := Start(t.Context(), dir, []string{os.Args[0]})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := Stop(context.Background(), dir); err != nil {
			t.Error(err)
		}
	})
	return info
}

// wantGone checks that nothing of a sandbox is left but its logs and locks.
func wantGone(t *testing.T, dir string) {
	t.Helper()
	for _, pattern := range []string{"sandbox.json", "host_ed25519", "guests/vm-*", "guests/host-*"} {
		if left, err := filepath.Glob(filepath.Join(dir, pattern)); err != nil || len(left) > 0 {
			t.Errorf("left: %v, %v", left, err)
		}
	}
}

func TestSweepAfterKill(t *testing.T) {
	dir := t.TempDir()
	if err := Sweep(t.Context(), dir); err != nil {
		t.Errorf("where no sandbox ever was: %v", err)
	}
	info := startInBackground(t, dir)
	text := strings.TrimSpace(onHost(t, info, "setsid sleep 1000 </dev/null >/dev/null 2>&1 & echo $!"))
	pid, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	started, err := startOf(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := Sweep(t.Context(), dir); err != nil {
		t.Error(err)
	}
	if found, err := Find(dir); err != nil || found != info {
		t.Errorf("a living sandbox was swept: %v", err)
	}
	handle, err := unix.PidfdOpen(info.PID, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(handle)
	if err := errors.Join(unix.Kill(info.PID, unix.SIGKILL), awaitEnd(t.Context(), handle)); err != nil {
		t.Fatal(err)
	}
	orphan := process{pid, started}
	if err := orphan.check(); err != nil {
		t.Fatalf("there is nothing to sweep: %v", err)
	}
	if _, err := Find(dir); !errors.Is(err, ErrNotRunning) {
		t.Errorf("Find = %v", err)
	}
	if err := Sweep(t.Context(), dir); err != nil {
		t.Error(err)
	}
	if err := orphan.check(); !errors.Is(err, errGone) {
		t.Errorf("the guest's process: %v", err)
	}
	wantGone(t, dir)
}

func TestStopEndsTheProcess(t *testing.T) {
	dir := t.TempDir()
	info := startInBackground(t, dir)
	if err := Stop(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if err := info.process().check(); !errors.Is(err, errGone) {
		t.Errorf("process: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "orderly")); err != nil {
		t.Error(err)
	}
	wantGone(t, dir)
}

// waitingProcess is a shell that waits after the script; its pipe's end ends it.
func waitingProcess(t *testing.T, script string) (*exec.Cmd, process) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "/bin/sh", "-c", script)
	output, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := output.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	started, err := startOf(command.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	return command, process{command.Process.Pid, started}
}

// A starting sandbox holds the lock, and the address is that of an earlier one, whose number another process has now.
func TestStaleAddressUnderSomebodysLock(t *testing.T) {
	dir := t.TempDir()
	command, innocent := waitingProcess(t, "echo; exec sleep 1000")
	stale := Info{PID: innocent.pid, Started: innocent.started - 1}
	if err := stale.write(dir); err != nil {
		t.Fatal(err)
	}
	lock, err := takeLock(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if _, err := Find(dir); !errors.Is(err, ErrNotRunning) {
		t.Errorf("Find = %v", err)
	}
	if err := stale.process().terminate(t.Context()); err != nil {
		t.Error(err)
	}
	if err := errors.Join(innocent.check(), command.Process.Kill()); err != nil {
		t.Errorf("the innocent process: %v", err)
	}
	var exit *exec.ExitError
	if err := command.Wait(); !errors.As(err, &exit) || !strings.Contains(err.Error(), "killed") {
		t.Errorf("the innocent process: %v", err)
	}
}

// When a sandbox ends, another one may take over at once.
func TestStopDoesNotWaitForTheNextSandbox(t *testing.T) {
	dir := t.TempDir()
	self, err := thisProcess()
	if err != nil {
		t.Fatal(err)
	}
	next := Info{PID: self.pid, Started: self.started, URL: "next"}
	if err := next.write(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(infoPath(dir), filepath.Join(dir, "next")); err != nil {
		t.Fatal(err)
	}
	lock, err := takeLock(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	command, old := waitingProcess(t, "trap 'mv "+dir+"/next "+infoPath(dir)+"; kill $!; exit 0' TERM; sleep 1000 >/dev/null & echo; wait")
	if err := (Info{PID: old.pid, Started: old.started}).write(dir); err != nil {
		t.Fatal(err)
	}
	if err := Stop(t.Context(), dir); err != nil {
		t.Error(err)
	}
	if err := command.Wait(); err != nil {
		t.Errorf("the sandbox that was stopped: %v", err)
	}
	if found, err := Find(dir); err != nil || found != next {
		t.Errorf("the next sandbox: %+v, %v", found, err)
	}
}

func TestStopListensToContext(t *testing.T) {
	dir := t.TempDir()
	lock, err := takeLock(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	command, deaf := waitingProcess(t, "trap '' TERM; echo; exec sleep 1000")
	if err := (Info{PID: deaf.pid, Started: deaf.started}).write(dir); err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(enough)
	if err := Stop(ctx, dir); !errors.Is(err, enough) || !strings.Contains(err.Error(), strconv.Itoa(deaf.pid)) {
		t.Errorf("error %v", err)
	}
	end(command, time.Millisecond) // it has to use force
}

func TestStartThatIsInterruptedLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(t.TempDir(), "ready")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(testDir, dir)
	t.Setenv(testStuck, pipe)
	interrupted := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		_, err := os.ReadFile(pipe) // returns when the sandbox has its files
		cancel(errors.Join(interrupted, err))
	}()
	if _, err := Start(ctx, dir, []string{os.Args[0]}); !errors.Is(err, interrupted) {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "orderly")); err != nil {
		t.Errorf("the sandbox was not asked to end: %v", err)
	}
	wantGone(t, dir)
}

func TestStartThatDiesLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	lock, err := takeLock(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), dir, []string{"/bin/sh", "-c", "echo >" + keyPath(dir) + "; kill -9 $$"}); err == nil {
		t.Error("started")
	}
	if _, err := os.Stat(keyPath(dir)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the key is left: %v", err)
	}
}
