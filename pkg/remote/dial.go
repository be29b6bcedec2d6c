package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"golang.org/x/crypto/ssh"
)

// dial opens one verified and authenticated connection to target.
func dial(ctx context.Context, target Target) (*connection, error) {
	attempt, cancel := context.WithTimeout(ctx, target.ConnectTimeout)
	defer cancel()
	stream, err := target.Dialer.DialContext(attempt, "tcp", target.Address)
	if err != nil {
		return nil, dialError(ctx, target, err)
	}
	verify, algorithms, err := target.HostKey.verifier(target.Address)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", target.Name, err), stream.Close())
	}
	// The handshake knows no context: closing the stream under it is what stops it.
	release := context.AfterFunc(attempt, func() { _ = stream.Close() })
	conn, channels, requests, err := ssh.NewClientConn(stream, target.Address, &ssh.ClientConfig{
		User:              target.User,
		Auth:              []ssh.AuthMethod{ssh.PublicKeys(target.Signer)},
		HostKeyCallback:   verify,
		HostKeyAlgorithms: algorithms,
	})
	if !release() && err == nil {
		err = errors.Join(attempt.Err(), conn.Close())
	}
	if err != nil {
		_ = stream.Close() // it failed already, what closing says adds nothing
		return nil, handshakeError(ctx, attempt, target, err)
	}
	return newConnection(ssh.NewClient(conn, channels, requests), target.KeepAlive), nil
}

// dialError explains why no stream to the target could be opened.
func dialError(ctx context.Context, target Target, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: connecting to %s: %w", target.Name, target.Address, ctx.Err())
	}
	hint := "is the machine running and its address right?"
	var timeout net.Error
	var lookup *net.DNSError
	var proxy *ProxyError
	switch {
	case errors.As(err, &proxy):
		hint = "the proxy answers, the machine behind it does not"
	case errors.As(err, &lookup):
		hint = "the name does not resolve"
	case errors.Is(err, syscall.ECONNREFUSED):
		hint = "the machine is up but nothing listens there: is sshd running yet?"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		hint = "no route: is the machine on this network, and the bridge right?"
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		hint = "no answer at all: powered off, wrong address, or a firewall drops the packets"
	}
	return &UnreachableError{Target: target.Name, Address: target.Address, Hint: hint, Err: err}
}

// handshakeError explains why the stream did not become an SSH connection. It
// is the one place that knows the words of x/crypto/ssh.
func handshakeError(ctx, attempt context.Context, target Target, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: connecting to %s: %w", target.Name, target.Address, ctx.Err())
	}
	var hostKey *HostKeyError
	var noCommon *ssh.AlgorithmNegotiationError
	switch {
	case errors.As(err, &hostKey):
		hostKey.Target, hostKey.Address = target.Name, target.Address
		return hostKey
	case errors.As(err, &noCommon) && strings.Contains(noCommon.What, "host key"):
		return &HostKeyError{Target: target.Name, Address: target.Address, Want: fingerprints(target.HostKey.pinned), Err: err}
	case strings.Contains(err.Error(), "unable to authenticate"):
		return &AuthError{
			Target: target.Name, Address: target.Address, User: target.User,
			KeyFingerprint: ssh.FingerprintSHA256(target.Signer.PublicKey()), Err: err,
		}
	}
	hint := "something answers there but does not complete an SSH handshake"
	switch {
	case attempt.Err() != nil:
		err = fmt.Errorf("no handshake within %v: %w", target.ConnectTimeout, attempt.Err())
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		hint = "it hung up during the handshake: sshd still starting, or too many connections at once (MaxStartups)"
	}
	return &UnreachableError{Target: target.Name, Address: target.Address, Hint: hint, Err: err}
}
