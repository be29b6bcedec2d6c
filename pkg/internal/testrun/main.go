// Testrun runs go test, lists the tests that were skipped, and fails when one was skipped for a reason that is not in
// the table of reasons.
//
// Usage: testrun ARGUMENTS-OF-GO-TEST...
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "testrun:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, errout io.Writer) error {
	command := exec.CommandContext(ctx, "go", append([]string{"test", "-json"}, args...)...)
	command.Stderr = errout
	events, err := command.StdoutPipe()
	if err != nil {
		return fmt.Errorf("running go test: %w", err)
	}
	if err := command.Start(); err != nil {
		return fmt.Errorf("running go test: %w", err)
	}
	r := reader{out: out, verbose: slices.Contains(args, "-v"), said: map[testName][]string{}}
	readErr := r.read(events)
	if err := command.Wait(); err != nil {
		return fmt.Errorf("go test failed: %w", err)
	}
	if readErr != nil {
		return fmt.Errorf("reading what go test says: %w", readErr)
	}
	return judge(out, r.skipped, isInstalled)
}

// judge prints the skipped tests, and what is accepted if one gives another reason.
func judge(out io.Writer, skipped []skip, has func(program string) bool) error {
	unknown := 0
	for _, s := range skipped {
		mark := "skipped"
		if !isAccepted(s.reason, has) {
			mark = "SKIPPED FOR AN UNKNOWN REASON"
			unknown++
		}
		fmt.Fprintf(out, "%s: %s: %s\n", mark, s.test, s.reason)
	}
	fmt.Fprintf(out, "%d tests skipped\n", len(skipped))
	if unknown == 0 {
		return nil
	}
	fmt.Fprintln(out, "A test may be skipped that says one of these:")
	for _, r := range reasons {
		fmt.Fprintf(out, "  %s… (%s)\n", r.text, r.because)
	}
	fmt.Fprintf(out, "  PROGRAM%s (where that is so)\n", missingProgram)
	return fmt.Errorf("%d tests were skipped for a reason that pkg/internal/testrun/reasons.go does not have", unknown)
}
