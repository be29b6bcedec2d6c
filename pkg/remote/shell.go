package remote

import (
	"errors"
	"fmt"
	"strings"

	"labctl/pkg/internal/shell"
)

// maxScript bounds a command line in bytes. Linux refuses a single argument of
// 128 KiB, and sshd passes the whole line to the login shell as one.
const maxScript = 120 << 10

// line is the command as sshd hands it to the user's login shell.
func (c Command) line() (string, error) {
	var words []string
	switch {
	case (c.Script == "") == (len(c.Argv) == 0):
		return "", errors.New("command needs either a script or arguments")
	case c.Script != "":
		words = []string{"sh", "-c", c.Script}
	default:
		words = c.Argv
	}
	// env, not assignments in front: the login shell may be one that has none.
	if len(c.Env) > 0 {
		words = append(append([]string{"env"}, c.Env...), words...)
	}
	line := "exec " + shell.Join(words)
	if c.Dir != "" {
		line = "cd " + shell.Quote(c.Dir) + " && " + line
	}
	return line, checkLine(line)
}

func checkLine(line string) error {
	if strings.ContainsRune(line, 0) {
		return errors.New("command contains a NUL byte")
	}
	if len(line) > maxScript {
		return fmt.Errorf("command of %d bytes is longer than a target accepts (%d): pass data as stdin or a file", len(line), maxScript)
	}
	return nil
}

// shellLine is the command line that runs script with positional arguments.
func shellLine(script string, args ...string) string {
	return "exec " + shell.Join(append([]string{"sh", "-c", script, "labctl"}, args...))
}

// summary is the beginning of the command, for messages.
func (c Command) summary() string {
	text := c.Script
	if text == "" {
		text = shell.Join(c.Argv)
	}
	const enough = 80
	first, rest, _ := strings.Cut(strings.TrimSpace(text), "\n")
	if len(first) > enough {
		first, rest = strings.ToValidUTF8(first[:enough], ""), "more"
	}
	if rest != "" {
		first += " …"
	}
	return first
}
