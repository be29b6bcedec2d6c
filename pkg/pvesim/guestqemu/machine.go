package guestqemu

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v4"

	"labctl/pkg/pvesim"
	"labctl/pkg/pvesim/owned"
)

// machine is one QEMU process. It implements [pvesim.Guest] and [pvesim.Mortal].
type machine struct {
	vmid    int
	uuid    string
	folder  string
	sandbox *owned.Dir
	logger  *slog.Logger
	agent   *agent
	ended   chan struct{} // closed when the process was waited for

	mu        sync.Mutex
	agentUp   bool
	ssh       string // host:port of loopback; empty until QEMU told
	wasCalled bool   // that it ended is as wanted
}

var (
	_ pvesim.Guest  = (*machine)(nil)
	_ pvesim.Mortal = (*machine)(nil)
)

// program is the emulator.
const program = "qemu-system-x86_64"

// startMachine starts the process. That it has its disks and its network is seen a moment later.
func startMachine(sandbox *owned.Dir, folder string, spec pvesim.GuestSpec, line []string, logger *slog.Logger) (*machine, error) {
	output, err := os.OpenFile(filepath.Join(folder, outputFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	process := exec.Command(program, line...) //nolint:noctx // it ends with its sandbox
	process.Dir, process.Env = folder, environment(sandbox, spec.UUID)
	process.Stdout, process.Stderr = output, output
	// A session of its own, so that ctrl-c in the sandbox's terminal does not reach it.
	process.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := process.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w (Debian package qemu-system-x86)", program, err)
	}
	m := &machine{
		vmid: spec.VMID, uuid: spec.UUID, folder: folder, sandbox: sandbox, logger: logger,
		agent: &agent{dir: folder}, ended: make(chan struct{}),
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		m.await(process)
	}()
	if err := m.listens(ctx); err != nil {
		return nil, errors.Join(err, m.PowerOff())
	}
	go m.follow(ctx)
	return m, nil
}

// startTime is how long QEMU may take to open its control channel.
const startTime = 20 * time.Second

// listens waits until QEMU tells how the VM is reached; ctx ends with the process.
func (m *machine) listens(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	err := backoff.Retry(func() error { return m.findPort(ctx) }, backoff.WithContext(backoff.NewConstantBackOff(10*time.Millisecond), ctx))
	if err == nil {
		return nil
	}
	if !m.Ended() {
		return fmt.Errorf("QEMU does not answer: %w", err)
	}
	said, _ := os.ReadFile(filepath.Join(m.folder, outputFile))
	return fmt.Errorf("QEMU exited with code 1: %s", bytes.TrimSpace(lastBytes(said, 1000)))
}

// await waits for the process and says what it said when it ended by itself.
func (m *machine) await(process *exec.Cmd) {
	err := process.Wait()
	m.mu.Lock()
	called := m.wasCalled
	m.mu.Unlock()
	if !called {
		said, _ := os.ReadFile(filepath.Join(m.folder, outputFile))
		m.logger.Warn("QEMU ended by itself", "vmid", m.vmid, "error", err, "output", string(lastBytes(said, 1000)))
	}
	close(m.ended)
}

func lastBytes(text []byte, n int) []byte { return text[max(0, len(text)-n):] }

// follow asks the guest agent for signs of life until the process ends.
func (m *machine) follow(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		if up := m.agent.ping(ctx, agentTime); ctx.Err() == nil {
			m.mu.Lock()
			m.agentUp = up
			m.mu.Unlock()
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// forwardLine is the line of "info usernet" that tells the port which the kernel chose.
var forwardLine = regexp.MustCompile(`TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)\s`)

func (m *machine) findPort(ctx context.Context) error {
	monitor, err := openMonitor(ctx, m.folder)
	if err != nil {
		return err
	}
	defer monitor.close()
	said, err := monitor.execute(ctx, "human-monitor-command", struct {
		Line string `json:"command-line"`
	}{"info usernet"})
	if err != nil {
		return err
	}
	port, err := parseForward(said)
	if err != nil {
		return backoff.Permanent(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ssh = "127.0.0.1:" + port
	return nil
}

func parseForward(said json.RawMessage) (port string, err error) {
	var text string
	if err := json.Unmarshal(said, &text); err != nil {
		return "", fmt.Errorf("reading QEMU's network: %w", err)
	}
	match := forwardLine.FindStringSubmatch(text)
	if match == nil {
		return "", fmt.Errorf("reading QEMU's network: no forwarded port in %q", text)
	}
	return match[1], nil
}

// forwarded is where the VM's SSH server is reached.
func (m *machine) forwarded() (address string, found bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ssh, m.ssh != ""
}

// Agent implements pvesim.Guest.
func (m *machine) Agent() (pvesim.Agent, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.agent, m.agentUp && !m.Ended()
}

// Ended implements pvesim.Mortal.
func (m *machine) Ended() bool {
	select {
	case <-m.ended:
		return true
	default:
		return false
	}
}

// pressTime bounds what the control channel is asked for.
const pressTime = 5 * time.Second

// PressPowerButton implements pvesim.Mortal: as qemu-server does, the agent is asked if it answers, else ACPI.
func (m *machine) PressPowerButton() error {
	ctx, cancel := context.WithTimeout(context.Background(), pressTime)
	defer cancel()
	m.mu.Lock()
	m.wasCalled = true
	m.mu.Unlock()
	monitor, err := openMonitor(ctx, m.folder)
	if isGone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer monitor.close()
	_, err = monitor.execute(ctx, "system_powerdown", nil)
	return err
}

// PowerOff implements pvesim.Guest.
func (m *machine) PowerOff() error {
	m.mu.Lock()
	m.wasCalled = true
	m.mu.Unlock()
	if err := m.sandbox.End(m.uuid); err != nil {
		return fmt.Errorf("powering off VM %d: %w", m.vmid, err)
	}
	<-m.ended
	return nil
}

// run runs one of QEMU's tools; what it says is the error.
func run(env []string, argv ...string) error {
	command := exec.Command(argv[0], argv[1:]...) //nolint:noctx // tools that only write headers
	command.Env = env
	output, err := command.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%w (Debian package qemu-utils)", err)
	}
	if err != nil {
		return fmt.Errorf("%s: %w: %s", argv[0], err, bytes.TrimSpace(output))
	}
	return nil
}
