package shell

import (
	"fmt"
	"strings"

	"labctl/pkg/internal/visible"
)

// Command is a command that a message tells a person to run. Its words are quoted, and names from outside are held
// against the formats of Proxmox VE: a command with a name that Proxmox VE cannot have given is not printed at all, since
// no quoting helps a person who reads it wrong. The zero value is no command. Commands are values: every method returns a
// new one.
type Command struct {
	text    string
	problem string // why it is not printed
}

// New begins a command.
func New(words ...string) Command { return Command{}.Words(words...) }

// Script is a command in the shell's own words, which the caller wrote as they stand: nothing is quoted.
func Script(text string) Command { return Command{text: text} }

// Words adds words with any text that a person can read. Names that come from a server have methods of their own.
func (c Command) Words(words ...string) Command {
	for _, word := range words {
		if visible.Line(word) != word {
			c.fail("a word of it has characters that cannot be seen")
		}
		c.add(Quote(word))
	}
	return c
}

// Add adds the words of another command.
func (c Command) Add(words Command) Command {
	if words == (Command{}) {
		return c
	}
	return c.joined(" ", words)
}

// InHome adds a path below the home directory of whoever runs the command.
func (c Command) InHome(path string) Command {
	c.problem = c.Words(path).problem
	c.add("~/" + Quote(path))
	return c
}

// Then is this command and afterwards another one, whatever became of this.
func (c Command) Then(next Command) Command { return c.joined("; ", next) }

// And is this command and, when it succeeds, another one.
func (c Command) And(next Command) Command { return c.joined(" && ", next) }

// Or is this command and, when it fails, another one.
func (c Command) Or(next Command) Command { return c.joined(" || ", next) }

// Note adds a remark for the person, as a comment of the shell.
func (c Command) Note(remark string) Command {
	c.text += "   # " + visible.Line(remark)
	return c
}

// Err says why there is no such command, or nil.
func (c Command) Err() error {
	if c.problem == "" {
		return nil
	}
	return fmt.Errorf("no command for this: %s", c.problem)
}

// String is the command as it is to be typed, in one line. When there is none, it is a comment of the shell that says why.
func (c Command) String() string {
	if err := c.Err(); err != nil {
		return "# " + err.Error()
	}
	return c.text
}

// MarshalText makes a command a text of JSON.
func (c Command) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

func (c *Command) add(quoted string) {
	if c.text != "" {
		c.text += " "
	}
	c.text += quoted
}

// fail keeps the first problem.
func (c *Command) fail(problem string) {
	if c.problem == "" {
		c.problem = problem
	}
}

func (c Command) joined(by string, next Command) Command {
	c.fail(next.problem)
	c.text += by + next.text
	return c
}

// name adds a name that has a format.
func (c Command) name(f format, name string) Command { return c.list(f, "", []string{name}) }

// list adds names that have a format as one word.
func (c Command) list(f format, separator string, names []string) Command {
	for _, name := range names {
		if !f.accepts(name) {
			c.fail("a " + f.noun + " that Proxmox VE does not accept")
		}
	}
	return c.Words(strings.Join(names, separator))
}

// Strings are commands as they are to be typed.
func Strings(commands []Command) []string {
	lines := make([]string, len(commands))
	for i, command := range commands {
		lines[i] = command.String()
	}
	return lines
}
