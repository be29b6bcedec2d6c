package remote

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sshd is an SSH server whose commands really run on this machine, each in a
// session of its own and with HOME in a folder of the test.
type sshd struct {
	home    string
	config  *ssh.ServerConfig
	hostKey ssh.Signer
	client  ssh.Signer
	address string

	mu       sync.Mutex
	changed  *sync.Cond
	conns    map[net.Conn]bool
	accepted int
	started  int // how often a launcher said that its command runs
	work     sync.WaitGroup
}

func newSigner(tb testing.TB) ssh.Signer {
	tb.Helper()
	private, _, err := GenerateKey()
	if err != nil {
		tb.Fatal(err)
	}
	signer, err := ssh.ParsePrivateKey(private)
	if err != nil {
		tb.Fatal(err)
	}
	return signer
}

// newServer has keys but listens nowhere yet.
func newServer(tb testing.TB) *sshd {
	tb.Helper()
	if signal.Ignored(syscall.SIGHUP) { // commands inherit that of a test that nohup runs, and would outlive their client
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	s := &sshd{home: tb.TempDir(), hostKey: newSigner(tb), client: newSigner(tb), conns: map[net.Conn]bool{}}
	s.changed = sync.NewCond(&s.mu)
	s.config = &ssh.ServerConfig{PublicKeyCallback: func(meta ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if meta.User() == "lab" && string(key.Marshal()) == string(s.client.PublicKey().Marshal()) {
			return &ssh.Permissions{}, nil
		}
		return nil, errors.New("not admitted")
	}}
	s.config.AddHostKey(s.hostKey)
	return s
}

// startServer listens on loopback until the test ends.
func startServer(tb testing.TB) *sshd {
	tb.Helper()
	s := newServer(tb)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	s.address = listener.Addr().String()
	s.work.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.work.Go(func() { s.serve(conn) })
		}
	})
	tb.Cleanup(func() {
		_ = listener.Close()
		s.cut()
		s.work.Wait()
	})
	return s
}

func (s *sshd) target() Target {
	return Target{Name: "vm1", Address: s.address, User: "lab", Signer: s.client, HostKey: PinnedKeys(s.hostKey.PublicKey())}
}

// cut drops every connection, as a network does.
func (s *sshd) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.conns {
		_ = conn.Close()
	}
}

// awaitConnection waits until n connections were accepted.
func (s *sshd) awaitConnection(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.accepted < n {
		s.changed.Wait()
	}
}

func (s *sshd) serve(conn net.Conn) {
	s.mu.Lock()
	s.conns[conn] = true
	s.accepted++
	s.changed.Broadcast()
	s.mu.Unlock()
	defer func() {
		_ = conn.Close()
		s.mu.Lock()
		delete(s.conns, conn)
		s.mu.Unlock()
	}()
	_, channels, requests, err := ssh.NewServerConn(conn, s.config)
	if err != nil {
		return
	}
	s.work.Go(func() { ssh.DiscardRequests(requests) })
	for newChannel := range channels {
		channel, requests, err := newChannel.Accept()
		if err != nil {
			return
		}
		s.work.Go(func() { s.session(channel, requests) })
	}
}

func (s *sshd) session(channel ssh.Channel, requests <-chan *ssh.Request) {
	defer channel.Close()
	var group int
	ended := make(chan struct{})
	for {
		select {
		case <-ended:
			return
		case request, open := <-requests:
			if !open { // the client is gone
				if group != 0 {
					_ = syscall.Kill(-group, syscall.SIGHUP)
				}
				return
			}
			switch request.Type {
			case "exec":
				var payload struct{ Line string }
				_ = ssh.Unmarshal(request.Payload, &payload)
				pid, wait := s.start(payload.Line, channel)
				group = pid
				_ = request.Reply(true, nil)
				s.work.Go(func() { defer close(ended); wait() })
			case "signal":
				_ = syscall.Kill(-group, syscall.SIGTERM)
			default:
				_ = request.Reply(false, nil)
			}
		}
	}
}

// start runs line as sshd does: with pipes of its own, which end when the
// channel does.
func (s *sshd) start(line string, channel ssh.Channel) (pid int, wait func()) {
	command := exec.Command("/bin/sh", "-c", line)
	command.Dir = s.home
	command.Env = []string{"HOME=" + s.home, "PATH=" + os.Getenv("PATH")}
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	stdin, err1 := command.StdinPipe()
	stdout, err2 := command.StdoutPipe()
	stderr, err3 := command.StderrPipe()
	if err := errors.Join(err1, err2, err3, command.Start()); err != nil {
		panic(err)
	}
	var output sync.WaitGroup
	output.Go(func() { _, _ = io.Copy(channel, io.TeeReader(stdout, launches{s})); _ = stdout.Close() })
	output.Go(func() { _, _ = io.Copy(channel.Stderr(), stderr); _ = stderr.Close() })
	s.work.Go(func() { _, _ = io.Copy(stdin, channel); _ = stdin.Close() })
	return command.Process.Pid, func() {
		output.Wait()
		_ = command.Wait()
		state, ok := command.ProcessState.Sys().(syscall.WaitStatus)
		if ok && state.Signaled() {
			name := map[syscall.Signal]string{syscall.SIGTERM: "TERM", syscall.SIGKILL: "KILL"}[state.Signal()]
			payload := struct {
				Name    string
				Core    bool
				Message string
				Lang    string
			}{Name: name}
			_, _ = channel.SendRequest("exit-signal", false, ssh.Marshal(payload))
			return
		}
		_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Code uint32 }{uint32(state.ExitStatus())}))
	}
}

// launches counts what launchers say.
type launches struct{ *sshd }

func (l launches) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.started += bytes.Count(p, []byte(reportPrefix+string(stateStarted)))
	l.changed.Broadcast()
	return len(p), nil
}

// awaitStarted waits until launchers said n times that a command runs.
func (s *sshd) awaitStarted(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.started < n {
		s.changed.Wait()
	}
}

// connect connects and closes when the test ends.
func connect(tb testing.TB, target Target) *Host {
	tb.Helper()
	host, err := Connect(context.Background(), target)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = host.Close() })
	return host
}

// dialFunc is a Dialer.
type dialFunc func(context.Context) (net.Conn, error)

func (f dialFunc) DialContext(ctx context.Context, _, _ string) (net.Conn, error) { return f(ctx) }
