package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// missedKeepAlives is how many pauses may pass without an answer.
const missedKeepAlives = 3

// errUnsent marks failures before the command line was sent: the command cannot have started.
var errUnsent = errors.New("opening session")

// connection is one SSH connection, watched until it ends.
type connection struct {
	client *ssh.Client
	gone   chan struct{} // closed when the connection ended

	mu    sync.Mutex
	cause error
}

func newConnection(client *ssh.Client, keepAlive time.Duration) *connection {
	c := &connection{client: client, gone: make(chan struct{})}
	go func() {
		defer close(c.gone)
		err := client.Wait()
		c.end(fmt.Errorf("server hung up: %w", err))
	}()
	go c.watch(keepAlive)
	return c
}

// watch notices a peer that went away without a word. TCP alone would not: a
// connection on which we only wait stays open for ever.
func (c *connection) watch(every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-c.gone:
			return
		case <-ticker.C:
		}
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			// Any answer is a sign of life, also "unknown request". An error is
			// the end of the connection, which gone reports.
			_, _, _ = c.client.SendRequest("keepalive@openssh.com", true, nil)
		}()
		patience := time.NewTimer(missedKeepAlives * every)
		select {
		case <-answered:
		case <-patience.C:
			c.end(fmt.Errorf("no sign of life from the server for %v", missedKeepAlives*every))
		}
		patience.Stop()
	}
}

// end closes the connection. The first cause given is the one that is reported.
func (c *connection) end(cause error) {
	c.mu.Lock()
	if c.cause == nil {
		c.cause = cause
	}
	c.mu.Unlock()
	_ = c.client.Close() // it is being given up; nobody could act on this error
}

// reason is why the connection ended; nil while it lives.
func (c *connection) reason() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

func (c *connection) isLost() bool { return c.reason() != nil }

// talk is what this side does while a remote command runs: write its stdin,
// read its stdout up to the end. It may close stdin at any time.
type talk func(stdin io.WriteCloser, stdout io.Reader) error

// session runs line and talks to it. It returns as soon as ctx ends; the
// goroutine it leaves then ends with the session, at the latest with the
// connection. onCancel is called when ctx ends before the session does.
func (c *connection) session(ctx context.Context, line string, stderr io.Writer, talk talk, onCancel func(*ssh.Session)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- c.converse(ctx, line, stderr, talk, onCancel) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// converse is session without the promise to return early.
func (c *connection) converse(ctx context.Context, line string, stderr io.Writer, talk talk, onCancel func(*ssh.Session)) error {
	session, err := c.client.NewSession()
	if err != nil {
		return fmt.Errorf("%w: %w", errUnsent, err)
	}
	defer session.Close()
	defer context.AfterFunc(ctx, func() { onCancel(session) })()

	stdin, err := session.StdinPipe()
	if err != nil {
		return fmt.Errorf("opening stdin: %w", err)
	}
	stdout, err := session.StdoutPipe()
	if err != nil {
		return fmt.Errorf("opening stdout: %w", err)
	}
	session.Stderr = stderr
	if err := session.Start(line); err != nil {
		return fmt.Errorf("starting command: %w", err)
	}
	talkErr := talk(stdin, stdout)
	if err := session.Wait(); err != nil {
		return err
	}
	return talkErr
}
