package guesthost

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

// session is one SSH session channel: at most one command.
type session struct {
	server  *server
	channel ssh.Channel
	env     []string
	command *command
}

func newSession(server *server, channel ssh.Channel) *session {
	return &session{server: server, channel: channel}
}

// serve answers requests until the client is gone or the command has ended.
func (s *session) serve(requests <-chan *ssh.Request) {
	defer s.channel.Close()
	var over <-chan struct{} // nil, hence never, before there is a command
	for {
		select {
		case <-over:
			return
		case request, open := <-requests:
			if !open {
				if s.command != nil {
					s.command.hangUp()
				}
				return
			}
			ok := s.answer(request)
			if request.WantReply {
				_ = request.Reply(ok, nil) // a client that is gone ends the loop
			}
			if s.command != nil && over == nil {
				over = s.command.follow(s)
			}
		}
	}
}

// answer handles one request; subsystems, terminals and forwarding are refused.
func (s *session) answer(request *ssh.Request) bool {
	switch request.Type {
	case "env":
		var setting struct{ Name, Value string }
		if ssh.Unmarshal(request.Payload, &setting) != nil || !acceptEnv(setting.Name) {
			return false
		}
		s.env = append(s.env, setting.Name+"="+setting.Value)
		return true
	case "exec":
		var exec struct{ Line string }
		if ssh.Unmarshal(request.Payload, &exec) != nil || s.command != nil {
			return false
		}
		command, err := startCommand(s.server.machine, exec.Line, s.env)
		if err != nil {
			s.server.logger.Warn("guest could not start a command", "guest", s.server.machine.spec.folder, "error", err)
			return false
		}
		s.command = command
		return true
	case "signal":
		var signal struct{ Name string }
		if ssh.Unmarshal(request.Payload, &signal) != nil || s.command == nil {
			return false
		}
		return s.command.signal(unix.SignalNum("SIG" + signal.Name))
	}
	return false
}

// acceptEnv is Debian's AcceptEnv: a client cannot change PATH or our marks.
func acceptEnv(name string) bool { return name == "LANG" || strings.HasPrefix(name, "LC_") }

// command is a running process and this side's ends of its pipes.
//
// The pipes are the kernel's, not copies by package exec, so that they behave
// as sshd's do: output ends when the last process that holds it has ended, and
// after the client is gone, writing to it raises SIGPIPE.
type command struct {
	process        *exec.Cmd
	stdin          *os.File
	stdout, stderr *os.File
	exited         chan struct{} // closed when the process was waited for

	mu sync.Mutex // between signals and the wait, after which the number may mean another process
}

func startCommand(m *machine, line string, env []string) (*command, error) {
	c := &command{exited: make(chan struct{})}
	process := exec.Command("/bin/sh", "-c", line) //nolint:noctx // it ends with its session or its guest
	process.Dir = m.home()
	process.Env = append(m.environment(), env...)
	// A session of its own, as sshd gives it: it can be signalled as a whole,
	// and ctrl-c in the sandbox's terminal does not reach it. No Pdeathsig: that
	// is sent when the starting *thread* ends, and Go's threads come and go; a
	// killed sandbox's processes are found by their marks instead.
	process.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	c.process = process

	var theirs [3]*os.File
	var err0, err1, err2 error
	theirs[0], c.stdin, err0 = os.Pipe()
	c.stdout, theirs[1], err1 = os.Pipe()
	c.stderr, theirs[2], err2 = os.Pipe()
	err := errors.Join(err0, err1, err2)
	if err == nil {
		process.Stdin, process.Stdout, process.Stderr = theirs[0], theirs[1], theirs[2]
		err = c.start(m)
	}
	for _, file := range theirs {
		_ = file.Close() // the process has its own; a nil file is fine to close
	}
	if err != nil {
		c.closePipes()
		return nil, err
	}
	return c, nil
}

// start starts the process unless its machine is being switched off.
func (c *command) start(m *machine) error {
	m.starting.RLock()
	defer m.starting.RUnlock()
	if m.off {
		return errors.New("machine is off")
	}
	return c.process.Start()
}

// follow passes data between process and client, and tells the client how the
// process ended. The channel it returns is closed when all is said.
func (c *command) follow(s *session) <-chan struct{} {
	over := make(chan struct{})
	work := &s.server.work
	work.Go(func() {
		_, _ = io.Copy(c.stdin, s.channel) // ends with either side
		_ = c.stdin.Close()
	})
	var output sync.WaitGroup
	output.Go(func() { _, _ = io.Copy(s.channel, c.stdout) })
	output.Go(func() { _, _ = io.Copy(s.channel.Stderr(), c.stderr) })
	work.Go(func() {
		c.wait()
		output.Wait()
		c.closePipes()
		_ = s.channel.CloseWrite()
		name, payload := c.status()
		_, _ = s.channel.SendRequest(name, false, payload) // the client may be gone
		close(over)
	})
	return over
}

// wait is exec's Wait, in two steps: the process remains a zombie, and its
// number its own, until no signal is under way.
func (c *command) wait() {
	var info unix.Siginfo
	for {
		err := unix.Waitid(unix.P_PID, c.process.Process.Pid, &info, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.process.Wait() // the status is in ProcessState
	close(c.exited)
}

// signal signals the command and what it started, unless it set out on its own.
func (c *command) signal(signal syscall.Signal) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.exited:
		return false
	default:
	}
	return signal != 0 && unix.Kill(-c.process.Process.Pid, signal) == nil
}

// hangUp is what happens to a command when its client is gone.
func (c *command) hangUp() {
	c.signal(unix.SIGHUP)
	c.closePipes()
}

func (c *command) closePipes() {
	for _, file := range []*os.File{c.stdin, c.stdout, c.stderr} {
		_ = file.Close() // closing twice is harmless
	}
}

// status is the request that tells how the process ended (RFC 4254, 6.10).
func (c *command) status() (name string, payload []byte) {
	state := c.process.ProcessState
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return "exit-signal", ssh.Marshal(struct {
			Signal     string
			CoreDumped bool
			Message    string
			Language   string
		}{Signal: strings.TrimPrefix(unix.SignalName(status.Signal()), "SIG"), CoreDumped: status.CoreDump()})
	}
	return "exit-status", ssh.Marshal(struct{ Code uint32 }{uint32(state.ExitCode())})
}
