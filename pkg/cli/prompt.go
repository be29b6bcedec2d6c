package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/term"
)

// prompter asks a person, or whatever standard input is connected to. Questions go to standard error.
type prompter struct {
	in    io.Reader
	lines *bufio.Reader
	out   io.Writer
}

func newPrompter(a *app) *prompter {
	return &prompter{in: a.In, lines: bufio.NewReader(a.In), out: a.Err}
}

// errNoAnswer says that standard input ended before the question was answered.
var errNoAnswer = errors.New("standard input ended before it was answered")

// question is something to ask, and the flag that answers it without asking.
type question struct {
	text, flag, fallback string
}

// ask returns the answer, or the fallback for an empty one.
func (p *prompter) ask(ctx context.Context, q question) (string, error) {
	if q.fallback != "" {
		fmt.Fprintf(p.out, "%s [%s]: ", q.text, q.fallback)
	} else {
		fmt.Fprintf(p.out, "%s: ", q.text)
	}
	line, err := await(ctx, p.line)
	if errors.Is(err, errNoAnswer) {
		fmt.Fprintln(p.out)
		if q.fallback != "" {
			return q.fallback, nil
		}
		return "", usagef("%q: %w: give %s", q.text, err, q.flag)
	}
	if line == "" {
		line = q.fallback
	}
	return line, err
}

// line reads one line.
func (p *prompter) line() (string, error) {
	line, err := p.lines.ReadString('\n')
	if errors.Is(err, io.EOF) && line == "" {
		return "", errNoAnswer
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("reading standard input: %w", err)
	}
	return strings.TrimSpace(line), nil
}

// secret reads a line that is not shown, when a terminal would show it.
func (p *prompter) secret(ctx context.Context, q question) (string, error) {
	fmt.Fprintf(p.out, "%s: ", q.text)
	read := p.line
	if file, ok := p.in.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		fd := int(file.Fd())
		state, err := term.GetState(fd)
		if err != nil {
			return "", fmt.Errorf("reading the terminal's state: %w", err)
		}
		defer func() { _ = term.Restore(fd, state) }() // it shows what is typed again, also after an interrupt
		read = func() (string, error) {
			line, err := term.ReadPassword(fd)
			if errors.Is(err, io.EOF) {
				err = errNoAnswer
			}
			return strings.TrimSpace(string(line)), err
		}
	}
	secret, err := await(ctx, read)
	fmt.Fprintln(p.out)
	if errors.Is(err, errNoAnswer) {
		return "", usagef("%q: %w: give %s", q.text, err, q.flag)
	}
	return secret, err
}

// confirm wants a plain yes.
func (p *prompter) confirm(ctx context.Context, q question) (bool, error) {
	answer, err := p.ask(ctx, q)
	return strings.EqualFold(answer, "yes") || strings.EqualFold(answer, "y"), err
}

// choice is one of several things that the server has.
type choice struct {
	name string // what the flag takes
	note string // what it is
}

// choose returns what the flag says, or the only choice, or asks for one. What the server does not show may exist all
// the same, so a flag's value is taken at its word when there is nothing to choose from.
func (p *prompter) choose(ctx context.Context, q question, given string, choices []choice) (string, error) {
	names := make([]string, len(choices))
	for i, one := range choices {
		names[i] = one.name
	}
	switch {
	case given != "" && len(choices) > 0 && !slices.Contains(names, given):
		return "", usagef("%s %s: this token sees none of that name; it sees: %s", q.flag, given, strings.Join(names, ", "))
	case given != "":
		return given, nil
	case len(choices) == 0:
		return "", usagef("%s: the server shows none to this token: run `labctl init --print-grants` for the grants that it needs, or give %s", q.text, q.flag)
	case len(choices) == 1:
		fmt.Fprintf(p.out, "%s: %s %s\n", q.text, choices[0].name, choices[0].note)
		return choices[0].name, nil
	}
	for i, one := range choices {
		fmt.Fprintf(p.out, "  %d  %s %s\n", i+1, one.name, one.note)
	}
	if !slices.Contains(names, q.fallback) {
		q.fallback = names[0]
	}
	answer, err := p.ask(ctx, q)
	if err != nil {
		return "", err
	}
	if slices.Contains(names, answer) {
		return answer, nil
	}
	if at, err := strconv.Atoi(answer); err == nil && at >= 1 && at <= len(names) {
		return names[at-1], nil
	}
	return "", usagef("%s: %q is none of %s", q.text, answer, strings.Join(names, ", "))
}

// await runs something that blocks and cannot be told to stop, and gives up on it when ctx ends.
func await(ctx context.Context, read func() (string, error)) (string, error) {
	type result struct {
		text string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := read()
		done <- result{text, err}
	}()
	select {
	case r := <-done:
		return r.text, r.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}
