// Package cli is labctl's command line: flags, configuration, wiring and exit codes. It is the only package that knows
// all the others.
package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"labctl/pkg/internal/ui"
	"labctl/pkg/internal/visible"
	"labctl/pkg/lab/change"
	"labctl/pkg/lab/labrun"
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
  2    regression found (not used yet)
  3    no valid data to judge (not used yet)
  4    bad lab spec or usage
  5    something of ours is, or may be, still on PVE
  130  interrupted`

// usageError is a mistake in the command line or the configuration.
type usageError struct{ err error }

// Error is the mistake.
func (e *usageError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// Main runs one invocation on the process's own streams, until it is done or signals end it, and returns its exit code.
func Main(args []string) int {
	app := newApp(ui.System(), args)
	return app.invoke(app.untilSignal())
}

func run(ctx context.Context, streams ui.IO, args []string) int {
	return newApp(streams, args).invoke(ctx)
}

func newApp(streams ui.IO, args []string) *app {
	// What any command prints goes through the filter, whoever chose the text.
	streams.Out, streams.Err = visible.NewWriter(streams.Out), visible.NewWriter(streams.Err)
	return &app{IO: streams, begun: time.Now(), args: args}
}

// invoke runs the command that the command line names, and returns the exit code.
func (a *app) invoke(ctx context.Context) int {
	root := newRoot(a) //nolint:contextcheck // cobra hands ctx to every command
	root.SetArgs(a.args)
	err := root.ExecuteContext(ctx)
	a.close()
	if err != nil && a.config == nil {
		err = &usageError{err} // no command has begun: the command line or the configuration is wrong
	}
	if a.wantsJSON() {
		err = errors.Join(err, a.printDocument(ctx, err))
	}
	if err != nil {
		a.printError(ctx, err)
	}
	code := exitCode(ctx, err)
	if a.lastWord != nil {
		fmt.Fprintln(a.Err, a.lastWord(code))
	}
	return code
}

// exitCode is the one place that turns errors into exit codes.
func exitCode(ctx context.Context, err error) int {
	var usage *usageError
	var spec labspec.Errors
	switch {
	case err == nil:
		return exitDone
	case isLeftover(err):
		return exitLeftover
	case isInterrupt(ctx):
		return exitInterrupted
	case errors.As(err, &usage), errors.As(err, &spec):
		return exitUsage
	default:
		return exitFailed
	}
}

// isLeftover says that something of ours is, or may be, still there. A lab that was not touched since the command line or
// the configuration is wrong is there, too, but that is not what has to be mended.
func isLeftover(err error) bool {
	var left *change.LeftoverError
	var onHost *hostLeftError
	var up *stillUpError
	var usage *usageError
	var elsewhere *labrun.ElsewhereError
	var others *elsewhereLeftError
	if errors.As(err, &others) || (errors.As(err, &elsewhere) && elsewhere.Down) {
		return true
	}
	return errors.As(err, &left) || errors.As(err, &onHost) || (errors.As(err, &up) && !errors.As(err, &usage))
}

// printError prints every line of the error once; a joined error has one for each cause. That the user interrupted is
// said by one line, not by every package that noticed.
func (a *app) printError(ctx context.Context, err error) {
	for _, line := range a.errorLines(ctx, err) {
		if !strings.HasPrefix(line, " ") {
			line = "labctl: " + line
		}
		fmt.Fprintln(a.Err, line)
	}
}

// errorLines are the lines of an error, each once, with the commands to type.
func (a *app) errorLines(ctx context.Context, err error) []string {
	if isInterrupt(ctx) && onlyInterrupts(err) {
		return []string{"interrupted"}
	}
	var lines []string
	for line := range strings.Lines(err.Error()) {
		if line = a.spellOut(strings.TrimRight(line, "\n")); !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return lines
}

// isInterrupt says that a signal ended the invocation, and not its deadline.
func isInterrupt(ctx context.Context) bool { return errors.Is(context.Cause(ctx), context.Canceled) }

// onlyInterrupts says that an error tells nothing but that the context was cancelled.
func onlyInterrupts(err error) bool {
	if isLeftover(err) {
		return false // what is left has to be named, whatever the reason
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // the parts themselves are wanted
		return !slices.ContainsFunc(joined.Unwrap(), func(part error) bool { return !onlyInterrupts(part) })
	}
	return errors.Is(err, context.Canceled)
}

// executable is this program's own file, to be run again as the sandbox.
func executable() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("finding labctl's own program file: %w", err)
	}
	return path, nil
}
