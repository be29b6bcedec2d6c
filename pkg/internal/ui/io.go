// Package ui is how labctl talks to people: streams, what kind of terminal they are, and progress. Results go to
// standard output and nothing else does; talk and progress go to standard error.
package ui

import (
	"io"
	"os"

	"golang.org/x/term"
)

// IO are the streams of one invocation.
type IO struct {
	In  io.Reader
	Out io.Writer // results
	Err io.Writer // talk
	// ErrIsTerminal says whether Err can redraw a line; OutIsTerminal whether Out may be coloured.
	ErrIsTerminal, OutIsTerminal bool
}

// System returns the process's own streams.
func System() IO {
	return IO{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		ErrIsTerminal: smart(os.Stderr), OutIsTerminal: smart(os.Stdout),
	}
}

// smart says whether a file is a terminal that understands cursor movement.
func smart(file *os.File) bool {
	return term.IsTerminal(int(file.Fd())) && os.Getenv("TERM") != "dumb" && os.Getenv("TERM") != ""
}
