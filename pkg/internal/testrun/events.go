package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// event is a line of go test -json (go doc test2json), or of a build that fails.
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
}

type testName struct{ pkg, test string }

func (n testName) String() string { return n.pkg + "." + n.test }

// skip is a test that was skipped, and what it said.
type skip struct {
	test   testName
	reason string
}

// reader prints what go test would have printed without -json, and collects the skipped tests.
type reader struct {
	out     io.Writer
	verbose bool
	said    map[testName][]string // by tests that have not ended, and by those that failed until their package ends
	skipped []skip
}

// maxLineBytes is the length that a line of go test -json may have. A test's own longer lines come in parts.
const maxLineBytes = 1 << 20

func (r *reader) read(events io.Reader) error {
	lines := bufio.NewScanner(events)
	lines.Buffer(nil, maxLineBytes)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			fmt.Fprintln(r.out, lines.Text())
			continue
		}
		r.take(e)
	}
	err := lines.Err()
	if err != nil { // go test must not wait for a reader
		_, drained := io.Copy(io.Discard, events)
		err = errors.Join(err, drained)
	}
	return err
}

func (r *reader) take(e event) {
	name := testName{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		fmt.Fprint(r.out, e.Output)
	case "output":
		r.output(name, e.Output)
	case "skip":
		if e.Test != "" {
			r.skipped = append(r.skipped, skip{test: name, reason: spoken(r.said[name])})
		}
		delete(r.said, name)
	case "pass":
		delete(r.said, name)
	case "fail":
		r.fail(name)
	}
}

func (r *reader) output(name testName, text string) {
	if r.verbose || name.test == "" && text != "PASS\n" {
		fmt.Fprint(r.out, text)
	}
	if name.test != "" {
		r.said[name] = append(r.said[name], text)
	}
}

// fail prints what a failed test said. When a package fails, the tests that did not end may have the cause.
func (r *reader) fail(name testName) {
	for said := range r.said {
		mine := said == name || name.test == "" && said.pkg == name.pkg
		if mine && !r.verbose {
			fmt.Fprint(r.out, strings.Join(r.said[said], ""))
		}
		if mine {
			delete(r.said, said)
		}
	}
}

// spoken is the text of t.Skip in what a test said: the last line with the place it was called at, without that place,
// and what follows it.
func spoken(said []string) string {
	var text []string
	for _, line := range said {
		trimmed := strings.TrimSpace(line)
		if trimmed == "" || strings.HasPrefix(trimmed, "=== ") || strings.HasPrefix(trimmed, "--- ") {
			continue
		}
		if place, rest, ok := strings.Cut(trimmed, ": "); ok && strings.Contains(place, ".go:") {
			text, trimmed = nil, rest
		}
		text = append(text, trimmed)
	}
	return strings.Join(text, " ")
}
