// Package cli is labctl's command line: flags, configuration, wiring and exit codes. It is the only package that knows
// all the others.
package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"labctl/pkg/apply"
	"labctl/pkg/internal/ui"
	"labctl/pkg/labspec"
)

// The exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 4
	exitLeftover    = 5
	exitInterrupted = 130
)

const exitCodesHelp = `Exit codes:
  0    done
  1    failed
  2    regression found
  3    no valid data to judge
  4    bad lab spec or usage
  5    something of ours is, or may be, still on PVE
  130  interrupted`

// usageError is a mistake in the command line or the configuration.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// errDeadline is the cause of a context that --deadline ended.
var errDeadline = errors.New("the time given by --deadline is over")

// Main runs one invocation on the process's own streams and returns its exit code.
func Main(ctx context.Context, args []string) int { return run(ctx, ui.System(), args) }

func run(ctx context.Context, streams ui.IO, args []string) int {
	app := &app{IO: streams, begun: time.Now()}
	root := newRoot(app) //nolint:contextcheck // cobra hands ctx to every command
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	app.close()
	if err != nil && app.config == nil {
		err = &usageError{err} // no command has begun: the command line or the configuration is wrong
	}
	if err != nil {
		printError(streams, err)
	}
	return exitCode(ctx, err)
}

// exitCode is the one place that turns errors into exit codes.
func exitCode(ctx context.Context, err error) int {
	var usage *usageError
	var spec labspec.Errors
	var left *apply.LeftoverError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &left):
		return exitLeftover
	case errors.Is(context.Cause(ctx), context.Canceled):
		return exitInterrupted
	case errors.As(err, &usage), errors.As(err, &spec):
		return exitUsage
	default:
		return exitFailed
	}
}

// printError prints every line of the error; a joined error has one for each cause.
func printError(streams ui.IO, err error) {
	for line := range strings.Lines(err.Error()) {
		line = strings.TrimRight(line, "\n")
		if !strings.HasPrefix(line, " ") {
			line = "labctl: " + line
		}
		fmt.Fprintln(streams.Err, line)
	}
}

// executable is this program's own file, to be run again as the sandbox.
func executable() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("finding labctl's own program file: %w", err)
	}
	return path, nil
}
