package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/ssh"
)

// Command is one command to run on a target: Script or Argv, not both.
type Command struct {
	// Script is POSIX shell, run by the target's sh.
	Script string
	// Argv is a program and its arguments, passed on unchanged: no expansion, no splitting.
	Argv []string
	// Dir is where it runs; empty means the user's home.
	Dir string
	// Env are extra KEY=value settings. They are visible in the target's process list.
	Env []string
	// Stdin is what the command reads; without it, it reads nothing.
	Stdin []byte
}

// Output is what a command wrote.
type Output struct{ Stdout, Stderr []byte }

// Run runs a command and waits for it. A command that does not exit with 0 is
// an *[ExitError], and its output is returned beside it. When ctx ends, the
// command gets SIGTERM, and Run returns at once. Nothing is ever retried after
// the command may have started; *[ConnectionLostError] says so.
func (h *Host) Run(ctx context.Context, command Command) (Output, error) {
	line, err := command.line()
	if err != nil {
		return Output{}, fmt.Errorf("%s: %w", h.target.Name, err)
	}
	conn, err := h.live(ctx)
	if err != nil {
		return Output{}, err
	}
	out, err := h.runOn(ctx, conn, line, command)
	if errors.Is(err, errUnsent) && conn.isLost() {
		// The connection was dead before the command was sent, and only now is that known.
		if conn, err = h.live(ctx); err != nil {
			return Output{}, err
		}
		out, err = h.runOn(ctx, conn, line, command)
	}
	return out, err
}

// runOn is Run on one connection.
func (h *Host) runOn(ctx context.Context, conn *connection, line string, command Command) (Output, error) {
	var stdout, stderr bytes.Buffer
	err := conn.session(ctx, line, &stderr, func(stdin io.WriteCloser, out io.Reader) error {
		// Apart, because a command may write much before it reads, or never
		// read at all: then the copy ends with the session, and its error is
		// the command's choice.
		go func() {
			_, _ = stdin.Write(command.Stdin)
			_ = stdin.Close()
		}()
		_, err := stdout.ReadFrom(out)
		return err
	}, func(session *ssh.Session) {
		_ = session.Signal(ssh.SIGTERM) // without it sshd lets the command live on
		_ = session.Close()
	})
	if ctx.Err() != nil && err != nil {
		// The buffers belong to the session, which may still be ending.
		return Output{}, fmt.Errorf("%s: %s: %w", h.target.Name, command.summary(), context.Cause(ctx))
	}
	return Output{Stdout: stdout.Bytes(), Stderr: stderr.Bytes()}, h.explain(conn, command.summary(), stderr.Bytes(), err)
}

// explain gives the error of a session its type.
func (h *Host) explain(conn *connection, command string, stderr []byte, err error) error {
	var exit *ssh.ExitError
	var refused *ssh.OpenChannelError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &exit):
		code := exit.ExitStatus()
		if exit.Signal() != "" {
			code = -1
		}
		return &ExitError{Target: h.target.Name, Command: command, Code: code, Signal: exit.Signal(), Stderr: stderr}
	case errors.As(err, &refused):
		return fmt.Errorf("%s: %s: server refused a session: %w (sshd's MaxSessions?)", h.target.Name, command, err)
	case errors.Is(err, errUnsent):
		conn.end(fmt.Errorf("server hung up: %w", err))
	}
	if cause := conn.reason(); errors.Is(cause, ErrClosed) {
		return ErrClosed
	} else if cause != nil && !errors.Is(err, errUnsent) {
		err = cause
	}
	return &ConnectionLostError{Target: h.target.Name, Command: command, Err: err}
}
