package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"labctl/pkg/internal/ui"
)

// terminal is a pseudo terminal: a person at one end, labctl at the other.
type terminal struct {
	t      *testing.T
	person *os.File
	labctl *os.File

	mu     sync.Mutex
	shown  bytes.Buffer
	change chan struct{}
}

// newTerminal opens a pseudo terminal (pty(7)).
func newTerminal(t *testing.T) *terminal {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	labctl, err := os.OpenFile(filepath.Join("/dev/pts", strconv.Itoa(number)), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{t: t, person: person, labctl: labctl, change: make(chan struct{}, 1)}
	go term.watch()
	t.Cleanup(func() {
		_ = labctl.Close()
		_ = person.Close()
	})
	return term
}

// watch collects what the terminal shows.
func (p *terminal) watch() {
	buffer := make([]byte, 4096)
	for {
		n, err := p.person.Read(buffer)
		p.mu.Lock()
		p.shown.Write(buffer[:n])
		p.mu.Unlock()
		select {
		case p.change <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

func (p *terminal) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.shown.String()
}

// await waits until the terminal shows a text, and types an answer.
func (p *terminal) answer(question, answer string) {
	p.t.Helper()
	deadline := time.After(20 * time.Second)
	for !strings.Contains(p.text(), question) {
		select {
		case <-p.change:
		case <-deadline:
			p.t.Fatalf("%q was not asked; the terminal shows\n%s", question, p.text())
		}
	}
	if _, err := p.person.WriteString(answer + "\n"); err != nil {
		p.t.Fatal(err)
	}
}

// echoes says whether the terminal shows what is typed.
func (p *terminal) echoes() bool {
	p.t.Helper()
	state, err := unix.IoctlGetTermios(int(p.labctl.Fd()), unix.TCGETS)
	if err != nil {
		p.t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

// TestInitAtATerminal: a person answers every question; the secret is not shown while it is typed.
func TestInitAtATerminal(t *testing.T) {
	s := newStranger(t, 9)
	commands := s.mustLabctl("", "init", "--print-grants", "--url", s.info.URL, "--fingerprint", s.info.Fingerprint, "--storage", "zfs")
	s.script(commands)
	terminal := newTerminal(t)
	code := make(chan int, 1)
	go func() {
		code <- run(t.Context(), ui.IO{In: terminal.labctl, Out: terminal.labctl, Err: terminal.labctl},
			[]string{"--config", s.path("config.yaml"), "--state-dir", s.path("state"), "init", "--ssh-proxy", s.info.Gateway, "--lab", s.path("first.yaml")})
	}()
	secret := s.console.Secret(defaultTokenID)
	terminal.answer("Address of the Proxmox VE server", s.info.URL)
	terminal.answer("Are the fingerprints the same?", "yes")
	terminal.answer("API token", defaultTokenID)
	terminal.answer("Secret of labctl@pve!run", secret)
	terminal.answer("Addresses of the VMs", "")
	terminal.answer("SSH login to measure the host too", "root@10.10.10.1")
	terminal.answer("Directory on the host", "/tank/labctl")
	if got := <-code; got != exitDone {
		t.Fatalf("exit code %d\n%s", got, terminal.text())
	}
	if strings.Contains(terminal.text(), secret) || !strings.Contains(terminal.text(), "/tank/labctl") || !terminal.echoes() {
		t.Errorf("the secret is shown, the other answers are not, or the terminal stays mute:\n%s", terminal.text())
	}
	if code, report := s.examine(s.path("first.yaml")); code == exitDone || len(allFindings(report)) != 1 {
		t.Errorf("without an SSH key for the host: exit code %d, %+v", code, allFindings(report))
	}
}

// TestInterruptAtTheSecret: Ctrl-C while the terminal is mute ends labctl and leaves the terminal as it was.
func TestInterruptAtTheSecret(t *testing.T) {
	s := newStranger(t, 9)
	terminal := newTerminal(t)
	ctx, interrupt := context.WithCancelCause(t.Context())
	defer interrupt(nil)
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, ui.IO{In: terminal.labctl, Out: terminal.labctl, Err: terminal.labctl}, []string{
			"--config", s.path("config.yaml"), "--state-dir", s.path("state"), "init",
			"--url", s.info.URL, "--fingerprint", s.info.Fingerprint, "--token-id", defaultTokenID,
		})
	}()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for terminal.echoes() {
		<-ticker.C
	}
	interrupt(context.Canceled)
	if got := <-code; got != exitInterrupted {
		t.Errorf("exit code %d\n%s", got, terminal.text())
	}
	if !terminal.echoes() {
		t.Error("the terminal stays mute")
	}
	if _, err := os.Stat(s.path("config.yaml")); !errors.Is(err, os.ErrNotExist) {
		t.Error("a configuration was written")
	}
	if _, err := terminal.person.WriteString("\n"); err != nil { // ends the read that still waits
		t.Error(err)
	}
}
