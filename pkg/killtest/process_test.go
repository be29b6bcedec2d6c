package killtest

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// everything asks for every case. It is a flag, and so a variable.
var everything = flag.Bool("kill", false, "run every case, which takes minutes, instead of a sample")

// some leaves only the first of the cases without the flag.
func some[T any](cases []T) []T {
	if *everything {
		return cases
	}
	return cases[:1]
}

// binary builds labctl once.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "killtest")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "labctl")
	output, err := exec.CommandContext(context.Background(), "go", "build", "-o", path, "labctl/cmd/labctl").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building labctl: %w: %s", err, output)
	}
	return path, nil
})

// lifesAtOnce is how many tests run side by side, whatever the number of processors: labctl mostly waits.
const lifesAtOnce = "16"

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", lifesAtOnce); err != nil {
		panic(err) // the testing package has lost the flag
	}
	code := m.Run()
	if path, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// quiet is a log that nobody reads.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// home is what one user's labctl keeps between its processes, on one world.
type home struct {
	world *world
	dir   string
	state string // --state-dir
	lab   string // file
	wrap  []string
	pipe  *os.File // takes both streams instead of a buffer
}

// newHome makes a user's home with a lab file in it.
func (w *world) newHome(t *testing.T, name, lab string) *home {
	t.Helper()
	dir := filepath.Join(w.dir, name)
	h := &home{world: w, dir: dir, state: filepath.Join(dir, "state"), lab: filepath.Join(dir, "lab.yaml")}
	if err := errors.Join(os.MkdirAll(h.state, 0o700), os.WriteFile(h.lab, []byte(lab), 0o600)); err != nil {
		t.Fatal(err)
	}
	return h
}

// process is one running labctl.
type process struct {
	args   []string
	cmd    *exec.Cmd
	output bytes.Buffer // of both streams
	begun  time.Time
	ended  chan struct{}
	took   time.Duration
}

// start starts labctl on the home's lab.
func (h *home) start(t *testing.T, args ...string) *process {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	argv := append(append([]string{}, h.wrap...), path, "--state-dir", h.state)
	argv = append(argv, args...)
	if args[0] != "gc" { // the one command that is about all labs
		argv = append(argv, h.lab)
	}
	p := &process{args: args, ended: make(chan struct{}), begun: time.Now()}
	p.cmd = exec.CommandContext(context.Background(), argv[0], argv[1:]...)
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + h.dir}, h.world.settings...)
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	if h.pipe != nil {
		p.cmd.Stdout, p.cmd.Stderr = h.pipe, h.pipe
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is in its ProcessState
		p.took = time.Since(p.begun)
		close(p.ended)
	}()
	t.Cleanup(p.kill)
	return p
}

// kill ends the process as power loss would, and returns when it is dead.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// signal sends a signal.
func (p *process) signal(t *testing.T, signal syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		t.Errorf("%v: %v", signal, err)
	}
}

// limit is how long a labctl may take before it counts as stuck.
const limit = 3 * time.Minute

// wait waits for the end and returns the exit code, -1 after a signal.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-p.ended:
	case <-timer.C:
		p.kill()
		t.Errorf("%v took longer than %v:\n%s", p.args, limit, p.text())
	}
	return p.cmd.ProcessState.ExitCode()
}

// text is what it printed. It is complete only when the process has ended.
func (p *process) text() string {
	<-p.ended
	return p.output.String()
}

// run runs labctl to its end.
func (h *home) run(t *testing.T, args ...string) (code int, text string) {
	t.Helper()
	p := h.start(t, args...)
	code = p.wait(t)
	return code, p.text()
}

// want waits for the end and wants an exit code and words in what was printed.
func (p *process) want(t *testing.T, code int, words ...string) {
	t.Helper()
	name, got := strings.Join(p.args, " "), p.wait(t)
	if got != code {
		t.Errorf("labctl %s: exit code %d, want %d:\n%s", name, got, code, p.text())
	}
	for _, word := range words {
		if !strings.Contains(p.text(), word) {
			t.Errorf("labctl %s does not say %q:\n%s", name, word, p.text())
		}
	}
}

// must runs labctl and wants an exit code and words in what it prints.
func (h *home) must(t *testing.T, code int, args []string, words ...string) {
	t.Helper()
	h.start(t, args...).want(t, code, words...)
}
