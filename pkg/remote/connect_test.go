package remote

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"labctl/pkg/internal/mempipe"
)

func TestWhoIsRefused(t *testing.T) {
	server := startServer(t)
	want, got := newSigner(t), ssh.FingerprintSHA256(server.hostKey.PublicKey())
	rsaKey, err := ParsePinnedKeys([]byte(rsaPublicKey))
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "known_hosts")
	writeKnownHosts(t, other, server.address, want.PublicKey())
	empty := filepath.Join(t.TempDir(), "known_hosts")
	writeKnownHosts(t, empty, "elsewhere:22", want.PublicKey())

	for name, test := range map[string]struct {
		change  func(*Target)
		hostKey bool // else it is the login that fails
		words   []string
	}{
		"other host key": {
			func(t *Target) { t.HostKey = PinnedKeys(want.PublicKey()) }, true,
			[]string{"vm1", server.address, got, ssh.FingerprintSHA256(want.PublicKey()), "reinstalled"},
		},
		"no key of the pinned type": {func(t *Target) { t.HostKey = rsaKey }, true, []string{"no key of an expected type"}},
		"other key in known_hosts":  {func(t *Target) { t.HostKey = KnownHosts(other) }, true, []string{got, "reinstalled"}},
		"not in known_hosts":        {func(t *Target) { t.HostKey = KnownHosts(empty) }, true, []string{"no host key is known", got}},
		"user":                      {func(t *Target) { t.User = "root" }, false, []string{`"root"`, "authorized_keys"}},
		"key": {
			func(t *Target) { t.Signer = want }, false, []string{`"lab"`, ssh.FingerprintSHA256(want.PublicKey())},
		},
	} {
		t.Run(name, func(t *testing.T) {
			target := server.target()
			test.change(&target)
			_, err := Connect(t.Context(), target)
			var hostKey *HostKeyError
			var auth *AuthError
			if errors.As(err, &hostKey) != test.hostKey || errors.As(err, &auth) == test.hostKey {
				t.Fatalf("got %T %v", err, err)
			}
			for _, word := range test.words {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("message %q lacks %q", err, word)
				}
			}
		})
	}
}

const rsaPublicKey = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7vbqajDhA0Wg0N9yKn2WmNcpw1fwVzvZRoOgmqzGJSgTUpYMRGAD6UKmx1S7zRzYkKzGJkFqXlOiZ0xAcIeHk8vXbXfTKJ4oiXvMS3XDvCQeoYFgyoTXP3h0aZAcLsAsyZNzWTxgSACFuZLw1Lq1cDDI8B8TApCkiTeYgXHkRmQ== x"

func TestKnownHosts(t *testing.T) {
	server := startServer(t)
	target := server.target()
	file := filepath.Join(t.TempDir(), "known_hosts")
	target.HostKey = KnownHosts(file)
	if _, err := Connect(t.Context(), target); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	writeKnownHosts(t, file, server.address, server.hostKey.PublicKey())
	connect(t, target)
}

func writeKnownHosts(t *testing.T, file, address string, key ssh.PublicKey) {
	t.Helper()
	if err := os.WriteFile(file, []byte(knownhosts.Line([]string{address}, key)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestConnectNeedsKeys(t *testing.T) {
	server := startServer(t)
	for name, change := range map[string]func(*Target){
		"no host key":    func(t *Target) { t.HostKey = HostKeys{} },
		"no private key": func(t *Target) { t.Signer = nil },
	} {
		target := server.target()
		change(&target)
		if _, err := Connect(t.Context(), target); err == nil {
			t.Errorf("%s: connected", name)
		}
	}
	if _, err := ParsePinnedKeys([]byte("# nothing\n")); err == nil {
		t.Error("pinned no key")
	}
	if server.accepted != 0 {
		t.Errorf("%d connections were made", server.accepted)
	}
}

// TestKeyRotation is a host that was reinstalled while nobody was connected.
func TestKeyRotation(t *testing.T) {
	server := startServer(t)
	host := connect(t, server.target())
	conn, err := host.live(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	server.config.AddHostKey(newSigner(t)) // replaces the one of the same type
	server.cut()
	<-conn.gone
	_, err = host.RunDetached(t.Context(), Detached{ID: "t", Argv: []string{"true"}})
	var hostKey *HostKeyError
	if !errors.As(err, &hostKey) {
		t.Errorf("got %v, want HostKeyError at once", err)
	}
}

func TestUnreachable(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		dial Dialer
		hint string
	}{
		"refused": {nil, "is sshd running yet"},
		"name":    {dialFunc(func(context.Context) (net.Conn, error) { return nil, &net.DNSError{Err: "no such host", Name: "vm1"} }), "resolve"},
		"hang up": {dialFunc(func(context.Context) (net.Conn, error) {
			here, _ := mempipe.Pipe()
			return hungUp{here}, nil
		}), "hung up during the handshake"},
	} {
		target := newServer(t).target()
		target.Address, target.Dialer = closed, test.dial
		_, err := Connect(t.Context(), target)
		var unreachable *UnreachableError
		if !errors.As(err, &unreachable) || !strings.Contains(err.Error(), test.hint) || unreachable.Address != closed {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// hungUp is a connection that the other end has closed.
type hungUp struct{ net.Conn }

// Read reads the end.
func (hungUp) Read([]byte) (int, error) { return 0, io.EOF }

func TestSilentServer(t *testing.T) {
	server := newServer(t)
	synctest.Test(t, func(t *testing.T) {
		target := server.target()
		target.Address = "vm1:22"
		target.Dialer = dialFunc(func(context.Context) (net.Conn, error) {
			here, _ := mempipe.Pipe()
			return here, nil
		})
		start := time.Now()
		_, err := Connect(t.Context(), target)
		var unreachable *UnreachableError
		if !errors.As(err, &unreachable) || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != DefaultConnectTimeout {
			t.Errorf("after %v: %v", time.Since(start), err)
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		if _, err = Connect(ctx, target); errors.As(err, &unreachable) || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("the caller's deadline, after %v: %v", time.Since(start), err)
		}
	})
}

// frozen is a connection whose other end can go away without a word.
type frozen struct {
	net.Conn
	off chan struct{}
}

// Write swallows everything once the connection is off.
func (f frozen) Write(p []byte) (int, error) {
	select {
	case <-f.off:
		return len(p), nil
	default:
		return f.Conn.Write(p)
	}
}

func TestDeadConnectionIsNoticed(t *testing.T) {
	server := newServer(t)
	synctest.Test(t, func(t *testing.T) {
		off := make(chan struct{})
		dials := 0
		target := server.target()
		target.Address = "vm1:22"
		target.Dialer = dialFunc(func(context.Context) (net.Conn, error) {
			if dials++; dials > 1 {
				return nil, errors.New("cable cut")
			}
			here, there := mempipe.Pipe()
			go serveSilently(there, server.config)
			return frozen{here, off}, nil
		})
		host, err := Connect(t.Context(), target)
		if err != nil {
			t.Fatal(err)
		}
		defer host.Close()
		start := time.Now()
		time.AfterFunc(time.Hour, func() { close(off) })
		_, err = host.Run(t.Context(), Command{Argv: []string{"true"}})
		var lost *ConnectionLostError
		if waited := time.Since(start) - time.Hour; !errors.As(err, &lost) || waited < 0 || waited > 4*DefaultKeepAlive {
			t.Errorf("after %v: %v", waited, err)
		}

		// From here on nobody answers: patience ends.
		start = time.Now()
		_, err = host.RunDetached(t.Context(), Detached{ID: "t", Argv: []string{"true"}})
		waited := time.Since(start)
		if err == nil || !strings.Contains(err.Error(), "may still run") || waited > DefaultPatience || waited < DefaultPatience-2*maxPause {
			t.Errorf("after %v: %v", waited, err)
		}
		if dials < 30 || dials > 200 {
			t.Errorf("%d attempts in %v", dials, waited)
		}
	})
}

// serveSilently is a server that takes commands and never says how they end.
func serveSilently(conn net.Conn, config *ssh.ServerConfig) {
	_, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for offered := range channels {
		_, requests, err := offered.Accept()
		if err != nil {
			return
		}
		go func() {
			for request := range requests {
				_ = request.Reply(true, nil)
			}
		}()
	}
}

func TestProxyDialer(t *testing.T) {
	server := startServer(t)
	proxy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			client, err := proxy.Accept()
			if err != nil {
				return
			}
			serveProxy(client, server.address)
		}
	}()
	defer func() {
		_ = proxy.Close()
		<-done
	}()
	target := server.target()
	target.Dialer = ProxyDialer(proxy.Addr().String())
	target.Address = "10.0.0.1:22"
	host, err := Connect(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	out, err := host.Run(t.Context(), Command{Argv: []string{"echo", "x"}})
	if err != nil || string(out.Stdout) != "x\n" {
		t.Errorf("through the proxy: %q, %v", out.Stdout, err)
	}
	if err := host.Close(); err != nil {
		t.Error(err)
	}
	target.Address = "10.0.0.2:22"
	_, err = Connect(t.Context(), target)
	var refused *ProxyError
	var unreachable *UnreachableError
	if !errors.As(err, &refused) || !errors.As(err, &unreachable) || !strings.Contains(err.Error(), "502 Bad Gateway no route") {
		t.Errorf("refused: %v", err)
	}
}

// serveProxy knows one address.
func serveProxy(client net.Conn, behind string) {
	defer client.Close()
	reader := bufio.NewReader(client)
	request, err := http.ReadRequest(reader)
	if err != nil {
		return
	}
	if request.Host != "10.0.0.1:22" {
		_, _ = io.WriteString(client, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 8\r\n\r\nno route")
		return
	}
	server, err := net.Dial("tcp", behind)
	if err != nil {
		return
	}
	defer server.Close()
	_, _ = io.WriteString(client, "HTTP/1.1 200 OK\r\n\r\n")
	go func() { _, _ = io.Copy(client, server) }()
	_, _ = io.Copy(server, reader)
}

func TestProxyDialerObeysItsContext(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		conn, err := silent.Accept()
		if err == nil {
			_, _ = bufio.NewReader(conn).ReadString('\n')
			cancel()
			_, _ = io.Copy(io.Discard, conn)
			_ = conn.Close()
		}
	}()
	if _, err := ProxyDialer(silent.Addr().String()).DialContext(ctx, "tcp", "10.0.0.1:22"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestGenerateKey(t *testing.T) {
	private, public, err := GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.ParsePrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	key, comment, _, _, err := ssh.ParseAuthorizedKey([]byte(public))
	if err != nil || comment != "labctl" || string(key.Marshal()) != string(signer.PublicKey().Marshal()) || strings.Contains(public, "\n") {
		t.Errorf("public half %q, %v", public, err)
	}
}
