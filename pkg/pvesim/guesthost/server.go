package guesthost

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// loginTime is how long a client may take to log in.
const loginTime = 30 * time.Second

// server is the sshd of one machine. It listens on loopback, admits one user by
// public key, and offers commands: no shell on a terminal, no sftp, no forwarding.
type server struct {
	machine  *machine
	config   *ssh.ServerConfig
	listener net.Listener
	logger   *slog.Logger

	work  sync.WaitGroup
	mu    sync.Mutex
	conns map[net.Conn]struct{} // nil when closed
}

func listen(m *machine, logger *slog.Logger) (*server, error) {
	admitted, err := parseKeys(m.spec.keys)
	if err != nil {
		return nil, err
	}
	config := &ssh.ServerConfig{
		ServerVersion: "SSH-2.0-labctl-sandbox",
		PublicKeyCallback: func(meta ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if meta.User() == m.spec.user && admitted[string(key.Marshal())] {
				return &ssh.Permissions{}, nil
			}
			return nil, fmt.Errorf("user %q is not admitted with this key", meta.User())
		},
	}
	config.AddHostKey(m.hostKey)
	listener, err := net.Listen("tcp4", "127.0.0.1:0") //nolint:noctx // takes no time
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	s := &server{machine: m, config: config, listener: listener, logger: logger, conns: map[net.Conn]struct{}{}}
	s.work.Go(s.accept)
	return s, nil
}

// parseKeys reads lines of authorized_keys.
func parseKeys(lines []string) (map[string]bool, error) {
	admitted := map[string]bool{}
	for _, line := range lines {
		if strings.TrimSpace(line) == "" {
			continue
		}
		key, _, options, _, err := ssh.ParseAuthorizedKey([]byte(line))
		if err != nil {
			return nil, fmt.Errorf("reading ssh key %q: %w", line, err)
		}
		if len(options) > 0 {
			// Admitting the key without its restrictions would be more than was asked for.
			return nil, fmt.Errorf("ssh key %q: options are not supported", line)
		}
		admitted[string(key.Marshal())] = true
	}
	return admitted, nil
}

func (s *server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				s.logger.Error("guest stopped listening", "guest", s.machine.spec.folder, "error", err)
			}
			return
		}
		if s.keep(conn) {
			s.work.Go(func() {
				defer s.drop(conn)
				s.serve(conn)
			})
		}
	}
}

// keep remembers a connection for close.
func (s *server) keep(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil {
		_ = conn.Close() // came too late
		return false
	}
	s.conns[conn] = struct{}{}
	return true
}

func (s *server) drop(conn net.Conn) {
	_ = conn.Close() // mostly closed already
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, conn)
}

// serve is one client's connection.
func (s *server) serve(conn net.Conn) {
	_ = conn.SetDeadline(time.Now().Add(loginTime)) // TCP connections have deadlines
	client, channels, requests, err := ssh.NewServerConn(conn, s.config)
	if err != nil {
		s.logger.Debug("guest refused a client", "guest", s.machine.spec.folder, "error", err)
		return
	}
	defer client.Close()
	_ = conn.SetDeadline(time.Time{})
	s.work.Go(func() { ssh.DiscardRequests(requests) }) // answers keepalives, too
	for offered := range channels {
		if offered.ChannelType() != "session" {
			_ = offered.Reject(ssh.Prohibited, "only sessions are offered")
			continue
		}
		channel, requests, err := offered.Accept()
		if err != nil {
			return
		}
		s.work.Go(func() { newSession(s, channel).serve(requests) })
	}
}

// close hangs up on everybody. Commands may still run afterwards.
func (s *server) close() {
	_ = s.listener.Close() // a second close is the only way to fail
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.conns {
		_ = conn.Close()
	}
	s.conns = nil
}

// wait returns when nothing of the server runs any more. It needs the commands to have ended.
func (s *server) wait() { s.work.Wait() }
