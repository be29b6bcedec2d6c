// Package advice lets any package advise a labctl command without knowing what leads to the same lab and server again: the
// lab's name, the configuration, the state directory. Who prints the message completes the command.
package advice

import (
	"fmt"

	"labctl/pkg/internal/shell"
)

// Labctl is a labctl command that a message advises, such as `labctl down`. It is a value, made by Run.
type Labctl struct {
	verb string
	rest shell.Command
}

// Run advises a command of labctl, such as "down" or "template build", about the lab that the message is about.
func Run(verb string) Labctl { return Labctl{verb: verb} }

// With advises it with further words, such as shell.New("--leave").VMID(100).
func (l Labctl) With(words shell.Command) Labctl {
	l.rest = words
	return l
}

// Verb is the command without "labctl", as in the table of commands.
func (l Labctl) Verb() string { return l.verb }

// Rest are the further words as they are to be typed, "" for none.
func (l Labctl) Rest() string { return l.rest.String() }

// String is the command as it stands in a text before it is completed.
func (l Labctl) String() string {
	if err := l.rest.Err(); err != nil {
		return "(" + err.Error() + ")"
	}
	text := "`labctl " + l.verb
	if rest := l.rest.String(); rest != "" {
		text += " " + rest
	}
	return text + "`"
}

// Error is an error whose text advises commands.
type Error struct {
	err     error
	advised []Labctl
}

// Errorf is fmt.Errorf for a text that advises commands: each is a Labctl among the args.
func Errorf(format string, args ...any) error {
	e := &Error{err: fmt.Errorf(format, args...)}
	for _, arg := range args {
		if l, ok := arg.(Labctl); ok {
			e.advised = append(e.advised, l)
		}
	}
	return e
}

// Error is the text with the commands before they are completed.
func (e *Error) Error() string { return e.err.Error() }

// Unwrap returns what Errorf wrapped.
func (e *Error) Unwrap() error { return e.err }

// Advised are the commands that the error's own text advises.
func (e *Error) Advised() []Labctl { return e.advised }

// In returns the commands that an error advises anywhere in its chain or tree. An error of another type says so by a
// method Advised.
func In(err error) []Labctl {
	var found []Labctl
	if own, ok := err.(interface{ Advised() []Labctl }); ok { //nolint:errorlint // every error of the tree is visited
		found = own.Advised()
	}
	switch wrapped := err.(type) { //nolint:errorlint // every error of the tree is visited
	case interface{ Unwrap() error }:
		return append(found, In(wrapped.Unwrap())...)
	case interface{ Unwrap() []error }:
		for _, part := range wrapped.Unwrap() {
			found = append(found, In(part)...)
		}
	}
	return found
}
