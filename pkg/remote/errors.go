package remote

import (
	"errors"
	"fmt"
	"strings"
)

// ErrClosed is returned by every method of a [Host] after its Close.
var ErrClosed = errors.New("remote: host is closed")

// UnreachableError says that no SSH server was found at the target's address.
// It may pass: a machine that boots is unreachable until its sshd listens.
type UnreachableError struct {
	Target, Address string
	// Hint says what usually causes this and where to look.
	Hint string
	Err  error
}

// Error names the address, the cause and the hint.
func (e *UnreachableError) Error() string {
	return fmt.Sprintf("%s: cannot reach %s: %v (%s)", e.Target, e.Address, e.Err, e.Hint)
}

// Unwrap returns the cause.
func (e *UnreachableError) Unwrap() error { return e.Err }

// HostKeyError says that whoever answered at the target's address did not prove
// to be the target. It never passes by itself, so nobody should retry it.
type HostKeyError struct {
	Target, Address string
	// Got is the SHA-256 fingerprint of the key that was shown; empty when the
	// machine has no key of any of the expected types.
	Got string
	// Want are the fingerprints of the keys that would have been accepted.
	Want []string
	Err  error
}

// Error shows both fingerprints and what that may mean.
func (e *HostKeyError) Error() string {
	got := e.Got
	if got == "" {
		got = "no key of an expected type"
	}
	if len(e.Want) == 0 {
		return fmt.Sprintf("%s: no host key is known for %s, it shows %s: %v", e.Target, e.Address, got, e.Err)
	}
	return fmt.Sprintf("%s: host key of %s is %s, want %s: somebody else answers at this address, or the host was reinstalled",
		e.Target, e.Address, got, strings.Join(e.Want, " or "))
}

// Unwrap returns the cause.
func (e *HostKeyError) Unwrap() error { return e.Err }

// AuthError says that the target refused our key for this user. While a guest
// is still being prepared this may pass, because cloud-init installs keys late.
type AuthError struct {
	Target, Address, User string
	// KeyFingerprint is the SHA-256 fingerprint of the key that was offered.
	KeyFingerprint string
	Err            error
}

// Error names the user and the key that were refused.
func (e *AuthError) Error() string {
	return fmt.Sprintf("%s: %s does not admit user %q with key %s: is the key in that user's authorized_keys?",
		e.Target, e.Address, e.User, e.KeyFingerprint)
}

// Unwrap returns the cause.
func (e *AuthError) Unwrap() error { return e.Err }

// stderrInMessage bounds how many bytes of stderr an error message shows; the
// whole of it stays in the error's field. The end is shown because that is
// where programs put their reason.
const stderrInMessage = 400

// ExitError says that a command ran and did not succeed.
type ExitError struct {
	Target string
	// Command is the beginning of what ran, fit for a message.
	Command string
	// Code is the exit status; -1 when a signal ended the command.
	Code int
	// Signal is the name without SIG ("KILL"); empty when the command exited.
	Signal string
	// Stderr is everything the command wrote to its standard error.
	Stderr []byte
}

// Error shows how the command ended and the end of its stderr.
func (e *ExitError) Error() string {
	how := fmt.Sprintf("exit status %d", e.Code)
	if e.Signal != "" {
		how = "killed by SIG" + e.Signal
	}
	if tail := messageTail(e.Stderr); tail != "" {
		how += ": " + tail
	}
	return fmt.Sprintf("%s: %s: %s", e.Target, e.Command, how)
}

// ConnectionLostError says that the connection ended while a command ran.
// Whether the command ran to its end is unknown.
type ConnectionLostError struct {
	Target, Command string
	Err             error
}

// Error says which command lost its connection, and why.
func (e *ConnectionLostError) Error() string {
	return fmt.Sprintf("%s: connection lost during %s: %v", e.Target, e.Command, e.Err)
}

// Unwrap returns the cause.
func (e *ConnectionLostError) Unwrap() error { return e.Err }

// LostCommandError says that a detached command left no exit code on the target.
type LostCommandError struct {
	Target, ID string
	// Reason is what was found on the target instead.
	Reason string
	// Stdout and Stderr are what the command wrote before it vanished.
	Stdout, Stderr []byte
}

// Error names the command and what was found instead of its result.
func (e *LostCommandError) Error() string {
	message := fmt.Sprintf("%s: detached command %s: %s", e.Target, e.ID, e.Reason)
	if tail := messageTail(e.Stderr); tail != "" {
		message += "; its last words: " + tail
	}
	return message
}

// messageTail is the end of stderr on one line, short enough for a message.
func messageTail(stderr []byte) string {
	text := strings.TrimSpace(string(stderr))
	if cut := len(text) - stderrInMessage; cut > 0 {
		text = "…" + strings.ToValidUTF8(text[cut:], "")
	}
	return strings.Join(strings.Fields(text), " ")
}
