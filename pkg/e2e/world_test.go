//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"labctl/pkg/sandbox"
)

// labctl is the program under test.
var labctl string

// TestMain builds labctl, and the image of its virtual machines, whose time is that of a first use.
func TestMain(m *testing.M) {
	code, err := prepare(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func prepare(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "labctl-e2e-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	labctl = filepath.Join(dir, "labctl")
	if output, err := exec.Command("go", "build", "-o", labctl, "labctl/cmd/labctl").CombinedOutput(); err != nil {
		return 1, fmt.Errorf("building labctl: %w\n%s", err, output)
	}
	begun := time.Now()
	if output, err := exec.Command(labctl, "sandbox", "image").CombinedOutput(); err != nil {
		return 1, fmt.Errorf("building the image: %w\n%s", err, output)
	}
	fmt.Fprintf(os.Stderr, "image of the virtual machines ready after %.1fs\n", time.Since(begun).Seconds())
	return m.Run(), nil
}

// world is one state directory with its sandbox.
type world struct {
	*testing.T
	state   string
	results string
	config  string
	begun   time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{T: t, state: filepath.Join(dir, "state"), results: filepath.Join(dir, "results"), config: filepath.Join(dir, "config.yaml"), begun: time.Now()}
	w.write(w.config, "{}\n")
	t.Cleanup(func() {
		_ = w.command("sandbox", "stop").Run() // a test that went well has left nothing to stop
		w.nothingLeft()
	})
	return w
}

func (w *world) write(path, text string) string {
	w.Helper()
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(w.state), path)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.Fatal(err)
	}
	return path
}

// command is labctl in this world.
func (w *world) command(args ...string) *exec.Cmd {
	global := []string{"--sandbox=qemu", "--state-dir", w.state, "--results", w.results, "--config", w.config}
	command := exec.Command(labctl, append(global, args...)...)
	command.Dir = filepath.Dir(w.state)
	return command
}

// outcome is what a command of labctl did.
type outcome struct {
	code   int
	stdout string
	stderr string
}

// run runs labctl to its end.
func (w *world) run(args ...string) outcome {
	w.Helper()
	command := w.command(args...)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	begun := time.Now()
	err := command.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		w.Fatal(err)
	}
	w.Logf("labctl %s: exit code %d after %.1fs\n%s", strings.Join(args, " "), command.ProcessState.ExitCode(), time.Since(begun).Seconds(), stderr.String())
	return outcome{command.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// must runs labctl, which has to do well.
func (w *world) must(args ...string) outcome {
	w.Helper()
	result := w.run(args...)
	if result.code != 0 {
		w.Fatalf("labctl %s: exit code %d, want 0\n%s", strings.Join(args, " "), result.code, result.stdout)
	}
	return result
}

// lap logs how long the test has taken so far.
func (w *world) lap(what string) {
	w.Helper()
	w.Logf("%s after %.1fs", what, time.Since(w.begun).Seconds())
}

func (w *world) sandboxDir() string { return filepath.Join(w.state, "sandbox-qemu") }

func (w *world) sandbox() sandbox.Info {
	w.Helper()
	info, err := sandbox.Find(w.sandboxDir())
	if err != nil {
		w.Fatal(err)
	}
	return info
}

// until waits for something that comes sooner or later.
func (w *world) until(what string, limit time.Duration, holds func() bool) {
	w.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			w.Fatalf("%s did not come true in %v", what, limit)
		case <-ticker.C:
		}
	}
}

// qemus are the processes of this world's virtual machines, by what their environment says.
func (w *world) qemus() (pids []int) {
	for pid, name := range w.processes() {
		if strings.HasPrefix(name, "qemu") {
			pids = append(pids, pid)
		}
	}
	return pids
}

// processes are this world's guests and labctls.
func (w *world) processes() map[int]string {
	found := map[int]string{}
	entries, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		w.Fatal(err)
	}
	for _, entry := range entries {
		environ, _ := os.ReadFile(filepath.Join(entry, "environ")) // it may have ended
		line, _ := os.ReadFile(filepath.Join(entry, "cmdline"))
		if !bytes.Contains(environ, []byte("LABCTL_SANDBOX_DIR="+w.state)) && (!bytes.HasPrefix(line, []byte(labctl+"\x00")) || !bytes.Contains(line, []byte(w.state+"\x00"))) {
			continue
		}
		var pid int
		if _, err := fmt.Sscanf(filepath.Base(entry), "%d", &pid); err == nil {
			found[pid] = strings.TrimSuffix(filepath.Base(strings.SplitN(string(line), "\x00", 2)[0]), "\x00")
		}
	}
	return found
}

// nothingLeft fails when a process, a socket or a file of a virtual machine is left.
func (w *world) nothingLeft() {
	w.Helper()
	if left := w.processes(); len(left) > 0 {
		w.Errorf("processes are left: %v", left)
	}
	err := filepath.WalkDir(w.sandboxDir(), func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		inside, _ := filepath.Rel(w.sandboxDir(), path)
		if entry.Type()&os.ModeSocket != 0 || strings.HasPrefix(inside, "machines/vm-") || strings.HasPrefix(inside, "guests/") && entry.IsDir() {
			w.Errorf("left behind: %s", path)
		}
		return nil
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		w.Error(err)
	}
}

func (w *world) kill(pid int) {
	w.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		w.Fatal(err)
	}
}

// qmp asks a virtual machine's own control channel.
func (w *world) qmp(vmid int, command string, answer any) {
	w.Helper()
	conn, err := net.Dial("unix", filepath.Join(w.sandboxDir(), "machines", fmt.Sprintf("vm-%d", vmid), "qmp"))
	if err != nil {
		w.Fatal(err)
	}
	defer conn.Close()
	decoder := json.NewDecoder(conn)
	for _, step := range []string{"", "qmp_capabilities", command} {
		if step != "" {
			if err := json.NewEncoder(conn).Encode(map[string]string{"execute": step}); err != nil {
				w.Fatal(err)
			}
		}
		var said struct {
			Return json.RawMessage `json:"return"`
			Error  json.RawMessage `json:"error"`
		}
		if err := decoder.Decode(&said); err != nil || said.Error != nil {
			w.Fatalf("%s: %v %s", step, err, said.Error)
		}
		if step == command {
			if err := json.Unmarshal(said.Return, answer); err != nil {
				w.Fatal(err)
			}
		}
	}
}

// blockBytes is how much of a file is really there.
func blockBytes(w *world, path string) int64 {
	w.Helper()
	var stat syscall.Stat_t
	if err := syscall.Stat(path, &stat); err != nil {
		w.Fatal(err)
	}
	return stat.Blocks * 512
}
