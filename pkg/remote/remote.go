// Package remote runs commands and moves small files on another machine over
// SSH, and keeps long commands alive there when the connection drops.
//
// A [Target] says where and who; [Connect] proves that the right machine
// answers (host keys are always verified, there is no way around it) and
// yields a [Host]. [Host.Run] is for short commands: it fails with
// [ConnectionLostError] when the connection goes, because only the caller
// knows whether running a command twice is harmless. [Host.RunDetached] is for
// the long ones: it starts a command exactly once per ID, comes back after
// every lost connection, and returns what the command left behind.
//
// Every error is typed and says what to look at next.
package remote

import (
	"context"
	"net"
	"time"

	"golang.org/x/crypto/ssh"
)

// Dialer opens the byte stream that SSH then runs over. [net.Dialer] is one.
type Dialer interface {
	// DialContext is net.Dialer's: it must give up when ctx ends.
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// Defaults of the durations in [Target].
const (
	DefaultConnectTimeout = 20 * time.Second
	DefaultKeepAlive      = 10 * time.Second
	DefaultPatience       = 10 * time.Minute
)

// Target is a machine to run commands on. It is a value: copies are independent.
type Target struct {
	// Name is what errors call the machine, for example "vm-4gb".
	Name string
	// Address is host:port.
	Address string
	// User is the account on the target.
	User string
	// Signer proves who we are; there is no password authentication.
	Signer ssh.Signer
	// HostKey says which keys the machine may answer with; the zero value admits none.
	HostKey HostKeys
	// Dialer opens connections; nil means a plain [net.Dialer].
	Dialer Dialer

	// ConnectTimeout bounds one attempt to connect, handshake included; 0 means DefaultConnectTimeout.
	ConnectTimeout time.Duration
	// KeepAlive is the pause between two signs of life; three unanswered ones
	// end the connection. 0 means DefaultKeepAlive.
	KeepAlive time.Duration
	// Patience is how long RunDetached tries to come back after a lost
	// connection before it gives up; 0 means DefaultPatience.
	Patience time.Duration
}

// withDefaults fills what the caller left zero.
func (t Target) withDefaults() Target {
	if t.Dialer == nil {
		t.Dialer = new(net.Dialer)
	}
	if t.ConnectTimeout == 0 {
		t.ConnectTimeout = DefaultConnectTimeout
	}
	if t.KeepAlive == 0 {
		t.KeepAlive = DefaultKeepAlive
	}
	if t.Patience == 0 {
		t.Patience = DefaultPatience
	}
	return t
}
