package labspec

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// FieldError is one problem of a lab file and what to do about it.
type FieldError struct {
	File         string
	Line, Column int    // from 1; columns count characters
	Path         string // such as vms[1].memory; empty for the file as a whole
	Problem      string
	Remedy       string // may be empty
}

// Error returns "lab.yaml:12:9: vms[1].memory: problem: remedy".
func (e FieldError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: ", e.File, e.Line, e.Column)
	if e.Path != "" {
		b.WriteString(e.Path + ": ")
	}
	b.WriteString(e.Problem)
	if e.Remedy != "" {
		b.WriteString(": " + e.Remedy)
	}
	return b.String()
}

// Errors are all problems of one lab file in the order of their positions.
type Errors []FieldError

// Error returns one line per problem.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, problem := range e {
		lines[i] = problem.Error()
	}
	return strings.Join(lines, "\n")
}

// sorted returns the problems as the file is read: by position, and at one position as they were found.
func (e Errors) sorted() Errors {
	sorted := slices.Clone(e)
	slices.SortStableFunc(sorted, func(a, b FieldError) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return sorted
}
