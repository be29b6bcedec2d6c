package remote

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"
	"golang.org/x/crypto/ssh"
)

// Detached is a command that lives on the target, not on the connection.
type Detached struct {
	// ID names this one execution on the target: 1 to 100 of A-Z a-z 0-9 . _ -
	// and not starting with a dot. Until its result was taken, the same ID
	// never runs twice: a second RunDetached attends the first's command.
	ID string
	// Dir is where it runs; empty means the user's home.
	Dir string
	// Argv is the program and its arguments, passed on unchanged.
	Argv []string
	// Env are extra KEY=value settings. They are visible in the target's process list.
	Env []string
}

// DetachedResult is what a detached command left behind.
type DetachedResult struct {
	Stdout, Stderr []byte
	// ExitCode is as the shell reports it: 128+n for a command ended by signal n.
	ExitCode int
	// Started and Ended are read from the target's clock, right before and after the command.
	Started, Ended time.Time
	// Reconnects is how often the connection was lost and opened again meanwhile.
	Reconnects int
}

const (
	firstPause = 200 * time.Millisecond // before the first attempt to come back
	maxPause   = 10 * time.Second       // between two attempts
	// settleTime bounds how long a cancelled RunDetached waits to learn
	// whether its command was started.
	settleTime = 3 * time.Second
	// tidyTime bounds the removal of a folder whose result is already here.
	tidyTime = 30 * time.Second
	// termSeconds is what a stopped command gets between SIGTERM and SIGKILL.
	termSeconds = 5
)

var validID = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$`)

// DetachedFolder is where the target keeps what belongs to a detached command, below the user's home. It is there while the
// command runs, and goes when its result was taken or it was stopped.
func DetachedFolder(id string) string { return ".labctl/detached/" + id }

// RunDetached starts a command that survives the connection, waits for its end
// and returns what it left; any exit code is a result, not an error. In the
// good case all of that is one round trip. When the connection is lost it
// comes back, with growing pauses, for as long as the target's Patience, and
// goes on waiting; that is safe because the target starts an ID only once.
//
// When ctx ends RunDetached returns and the command goes on: call
// [Host.StopDetached], or RunDetached with the same ID to attend it again. A
// command that vanished without an exit code is a *[LostCommandError].
func (h *Host) RunDetached(ctx context.Context, command Detached) (DetachedResult, error) {
	if err := command.problem(); err != nil {
		return DetachedResult{}, fmt.Errorf("%s: detached command %q: %w", h.target.Name, command.ID, err)
	}
	pauses := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(firstPause), backoff.WithMaxInterval(maxPause),
		backoff.WithMaxElapsedTime(h.target.Patience))
	started, outages := false, 0
	found, err := backoff.RetryWithData(func() (report, error) {
		found, confirmed, err := h.attend(ctx, command, started)
		if confirmed {
			// Patience is for one outage, not for the length of the command.
			started = true
			pauses.Reset()
		}
		var lost *ConnectionLostError
		if errors.As(err, &lost) && !errors.Is(err, errUnsent) {
			outages++
		}
		if err != nil && !passes(err) {
			err = backoff.Permanent(err)
		}
		return found, err
	}, backoff.WithContext(pauses, ctx))
	if err != nil {
		return DetachedResult{}, h.detachedError(ctx, command.ID, err)
	}
	return h.result(command.ID, found, outages)
}

// passes tells whether an error may be over at the next attempt.
func passes(err error) bool {
	var lost *ConnectionLostError
	var unreachable *UnreachableError
	return errors.As(err, &lost) || errors.As(err, &unreachable)
}

// attend is RunDetached on one connection. Confirmed says that the target is
// known to have started the command, whatever became of the connection.
func (h *Host) attend(ctx context.Context, command Detached, started bool) (found report, confirmed bool, err error) {
	conn, err := h.live(ctx)
	if err != nil {
		return report{}, false, err
	}
	launched := make(chan struct{})
	markLaunched := sync.OnceFunc(func() { close(launched) })
	session, release := settled(ctx, launched)
	defer release()

	complete := make(chan report, 1)
	var stderr bytes.Buffer
	err = conn.session(session, command.line(started), &stderr, func(stdin io.WriteCloser, stdout io.Reader) error {
		r := bufio.NewReader(stdout)
		got, err := readReport(r, markLaunched)
		if err != nil {
			return errors.Join(err, stdin.Close()) // so that the target does not wait for an answer
		}
		complete <- got
		_, err = io.WriteString(stdin, "taken\n")
		return err
	}, func(session *ssh.Session) { _ = session.Close() })

	select {
	case <-launched:
		confirmed = true
	default:
	}
	select {
	case found = <-complete:
		if err != nil {
			h.tidy(ctx, command.ID) // the target may not know that the result arrived
		}
		return found, confirmed, nil
	default:
	}
	if ctx.Err() != nil {
		return report{}, confirmed, ctx.Err()
	}
	if err == nil {
		err = errors.New("the target ended the session without a report")
	}
	return report{}, confirmed, h.explain(conn, "detached command "+command.ID, stderr.Bytes(), err)
}

// settled is ctx, except that it does not end while the launch is under way:
// a StopDetached that follows the cancellation must not overtake the launch.
func settled(ctx context.Context, launched <-chan struct{}) (context.Context, context.CancelFunc) {
	session, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timeout := time.NewTimer(settleTime)
		defer timeout.Stop()
		select {
		case <-launched:
		case <-timeout.C:
		case <-session.Done():
		}
		cancel()
	})
	return session, func() { stop(); cancel() }
}

// tidy removes the folder of a command whose result is already here. A failure
// leaves some files on the target, which is no reason to lose the result.
func (h *Host) tidy(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyTime)
	defer cancel()
	_ = h.StopDetached(ctx, id)
}

// result is what the report means to the caller.
func (h *Host) result(id string, found report, reconnects int) (DetachedResult, error) {
	switch found.state {
	case stateEnded:
		return DetachedResult{
			Stdout: found.stdout, Stderr: found.stderr, ExitCode: found.code,
			Started: found.started, Ended: found.ended, Reconnects: reconnects,
		}, nil
	case stateDied:
		return DetachedResult{}, &LostCommandError{
			Target: h.target.Name, ID: id, Stdout: found.stdout, Stderr: found.stderr,
			Reason: "the command died without an exit code (target rebooted or out of memory?)",
		}
	default:
	}
	return DetachedResult{}, &LostCommandError{
		Target: h.target.Name, ID: id,
		Reason: "the target knows nothing of it any more: it was stopped, or somebody else took its result",
	}
}

// detachedError says what the caller has to know about a command left alone.
func (h *Host) detachedError(ctx context.Context, id string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: detached command %s goes on unattended: %w", h.target.Name, id, context.Cause(ctx))
	}
	if passes(err) {
		return fmt.Errorf("gave up after %v, detached command %s may still run: %w", h.target.Patience, id, err)
	}
	return err
}

// StopDetached ends a detached command and everything it started: SIGTERM
// first, SIGKILL after some seconds. It removes what the command left. A
// command that ended already, or never existed, is no error.
func (h *Host) StopDetached(ctx context.Context, id string) error {
	if !validID.MatchString(id) {
		return fmt.Errorf("%s: stopping detached command %q: invalid ID", h.target.Name, id)
	}
	stop := Command{Argv: []string{"sh", "-c", stopScript, "labctl", id, strconv.Itoa(termSeconds)}}
	if _, err := h.Run(ctx, stop); err != nil {
		return fmt.Errorf("stopping detached command %s: %w", id, named(err, "stop "+id))
	}
	return nil
}

// problem checks what the caller wrote.
func (d Detached) problem() error {
	switch {
	case !validID.MatchString(d.ID):
		return errors.New("invalid ID: want 1 to 100 of A-Z a-z 0-9 . _ - and no dot in front")
	case len(d.Argv) == 0:
		return errors.New("no command")
	}
	return checkLine(d.line(false))
}

// line is the command line that starts the command, or only attends it.
func (d Detached) line(started bool) string {
	mode := "start"
	if started {
		// Never start again what may have been stopped on purpose meanwhile.
		mode = "wait"
	}
	args := []string{mode, d.ID, d.Dir, recordScript}
	if len(d.Env) > 0 {
		args = append(append(args, "env"), d.Env...)
	}
	return shellLine(launchScript, append(args, d.Argv...)...)
}
