package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"unicode"

	"labctl/pkg/lab/guest"
)

// consoleLines is how many lines of a console are shown: enough for a kernel's last words.
const consoleLines = 15

// withConsole adds what a VM that is not ready last wrote to its serial console, if the sandbox keeps it. PVE shows a
// console to people only: its API has it for tickets, not for tokens.
func (s *server) withConsole(err error, vmid int) error {
	if notReady := (*guest.NotReadyError)(nil); s.sandbox == nil || !errors.As(err, &notReady) {
		return err
	}
	path, ok := s.sandbox.ConsolePath(vmid)
	if !ok {
		return err
	}
	text, readErr := os.ReadFile(path)
	if readErr != nil {
		return errors.Join(err, readErr)
	}
	return &consoleError{err, vmid, lastLines(text, consoleLines)}
}

// console is the last lines of a VM's serial console, nil where it cannot be had.
func (s *server) console(vmid, lines int) []string {
	if s.sandbox == nil {
		return nil
	}
	path, ok := s.sandbox.ConsolePath(vmid)
	if !ok {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	return lastLines(text, lines)
}

// consoleError is an error with the end of a VM's console.
type consoleError struct {
	err   error
	vmid  int
	lines []string
}

// Error is the error, and below it the console.
func (e *consoleError) Error() string {
	if len(e.lines) == 0 {
		return fmt.Sprintf("%v\n  the console of VM %d is empty", e.err, e.vmid)
	}
	return fmt.Sprintf("%v\n  the end of the console of VM %d:\n    %s", e.err, e.vmid, strings.Join(e.lines, "\n    "))
}

// Unwrap returns the error.
func (e *consoleError) Unwrap() error { return e.err }

// lastLines returns the last lines that are not empty, without what is meant for a terminal.
func lastLines(text []byte, n int) []string {
	var lines []string
	for line := range bytes.Lines(text) {
		if plain := strings.TrimSpace(plainText(string(line))); plain != "" {
			lines = append(lines, plain)
		}
	}
	return lines[max(0, len(lines)-n):]
}

// plainText leaves out control characters and the escape sequences of terminals (ECMA-48, 5.4: ESC [ ... letter).
func plainText(line string) string {
	var b strings.Builder
	escape, sequence := false, false
	for _, r := range line {
		switch {
		case sequence:
			sequence = r < 0x40 || r > 0x7e
		case escape:
			escape, sequence = false, r == '['
		case r == 0x1b:
			escape = true
		case unicode.IsPrint(r):
			b.WriteRune(r)
		}
	}
	return b.String()
}
