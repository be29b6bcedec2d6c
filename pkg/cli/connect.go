package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"labctl/pkg/labspec"
	"labctl/pkg/pve"
	"labctl/pkg/remote"
	"labctl/pkg/sandbox"
)

// server is a reachable Proxmox VE, real or emulated, and the way into its guests' network.
type server struct {
	url     string
	tokenID string
	client  *pve.Client
	dialer  remote.Dialer // nil: directly
	sandbox *sandbox.Info // nil: a real server
	started bool          // this process started the sandbox
}

// connect reaches the configured server, or the sandbox, which it starts when none runs.
func (a *app) connect(ctx context.Context) (*server, error) {
	if a.flags.sandbox != "" {
		return a.connectSandbox(ctx)
	}
	config, err := a.pveConfig()
	if err != nil {
		return nil, err
	}
	server, err := newServer(config)
	if err != nil {
		return nil, err
	}
	if proxy := a.config.GetString(keySSHProxy); proxy != "" {
		if _, _, err := net.SplitHostPort(proxy); err != nil {
			return nil, usagef("%s: %w: give it as host:port", keySSHProxy, err)
		}
		server.dialer = remote.ProxyDialer(proxy)
	}
	return server, nil
}

func newServer(config pve.Config) (*server, error) {
	client, err := pve.New(config)
	if err != nil {
		return nil, &usageError{err}
	}
	return &server{url: config.URL, tokenID: config.TokenID, client: client}, nil
}

func (a *app) connectSandbox(ctx context.Context) (*server, error) {
	info, started, err := a.findOrStartSandbox(ctx)
	if err != nil {
		return nil, err
	}
	server, err := newServer(pve.Config{
		URL: info.URL, TokenID: info.TokenID, TokenSecret: pve.Secret(info.TokenSecret), Fingerprint: info.Fingerprint,
		PollDelay: sandboxPollDelay, Logger: a.log,
	})
	if err != nil {
		return nil, err
	}
	server.dialer, server.sandbox, server.started = remote.ProxyDialer(info.Gateway), &info, started
	return server, nil
}

// host is the server's name or address, for the results.
func (s *server) host() string {
	address, err := url.Parse(s.url)
	if err != nil {
		return ""
	}
	return address.Hostname()
}

// sandboxPollDelay suits tasks that take tenths of a second.
func sandboxPollDelay(int) time.Duration { return 50 * time.Millisecond }

// vmTarget is how to log in to a lab's VM, whose host key was pinned through the guest agent.
func (s *server) vmTarget(lab *labspec.Lab, vm, address, hostKey string, signer ssh.Signer) (remote.Target, error) {
	keys, err := remote.ParsePinnedKeys([]byte(hostKey))
	if err != nil {
		return remote.Target{}, fmt.Errorf("host key of %s: %w", vm, err)
	}
	return remote.Target{
		Name: vm, Address: net.JoinHostPort(address, "22"), User: lab.User, Signer: signer, HostKey: keys, Dialer: s.dialer,
	}, nil
}

// reachTime bounds one attempt to reach a guest that may not have booted yet: a lost SYN is repeated after a second.
const reachTime = 3 * time.Second

// reach tells whether anything takes connections for SSH at a guest's address.
func (s *server) reach(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	connection, err := s.dialGuest(ctx, address)
	if err != nil {
		return err
	}
	return connection.Close()
}

// sshAnswers tells whether an SSH server is at a guest's address. A connection alone proves nothing: in networks with
// transparent proxies any address takes one. An SSH server names itself at once (RFC 4253, section 4.2).
func (s *server) sshAnswers(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	connection, err := s.dialGuest(ctx, address)
	if err != nil {
		return err
	}
	defer connection.Close()
	stop := context.AfterFunc(ctx, func() { _ = connection.SetDeadline(time.Unix(1, 0)) }) // a failure shows when it is read from
	defer stop()
	name := make([]byte, len("SSH-"))
	if _, err := io.ReadFull(connection, name); err != nil || string(name) != "SSH-" {
		return fmt.Errorf("%s takes connections on port 22, and no SSH server names itself there: %w", address, cmp.Or(err, errNoSSH))
	}
	return nil
}

// errNoSSH is why something that answers is no SSH server.
var errNoSSH = errors.New("it says something else")

// dialGuest connects to the SSH port of a guest's address.
func (s *server) dialGuest(ctx context.Context, address string) (net.Conn, error) {
	dialer := s.dialer
	if dialer == nil {
		dialer = new(net.Dialer)
	}
	connection, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(address, "22"))
	if err != nil {
		return nil, s.final(err)
	}
	return connection, nil
}

// hostTarget is how to log in to the PVE host, and the directory to measure in.
func (a *app) hostTarget(s *server, host labspec.Host) (remote.Target, string, error) {
	if s.sandbox != nil {
		return sandboxHostTarget(s, host)
	}
	signer, err := readSigner(a.config.GetString(keySSHKeyFile))
	if err != nil {
		return remote.Target{}, "", fmt.Errorf("logging in to the host %s: %w", host.Name, err)
	}
	known := a.config.GetString(keySSHKnownHosts)
	if known == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return remote.Target{}, "", usagef("%s is not set: %w", keySSHKnownHosts, err)
		}
		known = home + "/.ssh/known_hosts"
	}
	return remote.Target{
		Name: host.Name, Address: net.JoinHostPort(host.SSH.Host, fmt.Sprint(host.SSH.Port)), User: host.SSH.User,
		Signer: signer, HostKey: remote.KnownHosts(known),
	}, host.Directory, nil
}

// sandboxHostTarget is the sandbox's own node, whatever address the spec gives for the real one.
func sandboxHostTarget(s *server, host labspec.Host) (remote.Target, string, error) {
	signer, err := readSigner(s.sandbox.Host.KeyFile)
	if err != nil {
		return remote.Target{}, "", err
	}
	keys, err := remote.ParsePinnedKeys([]byte(s.sandbox.Host.HostKey))
	if err != nil {
		return remote.Target{}, "", fmt.Errorf("host key of the sandbox: %w", err)
	}
	return remote.Target{
		Name: host.Name, Address: s.sandbox.Host.Address, User: s.sandbox.Host.User, Signer: signer, HostKey: keys, Dialer: s.dialer,
	}, s.sandbox.Host.Directory, nil
}

// readSigner reads a private key without passphrase.
func readSigner(path string) (ssh.Signer, error) {
	if path == "" {
		return nil, usagef("no SSH key: set %s to a private key without passphrase that may log in there", keySSHKeyFile)
	}
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, fmt.Errorf("reading the SSH key: %w", err)
		}
		path = home + "/" + rest
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the SSH key: %w", err)
	}
	signer, err := ssh.ParsePrivateKey(data)
	if err != nil {
		return nil, fmt.Errorf("reading the SSH key %s: %w", path, err)
	}
	return signer, nil
}
