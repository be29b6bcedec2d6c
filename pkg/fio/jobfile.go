package fio

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
)

// JobFile is a fio job file: options for all sections, then sections.
// Comments are kept as lines before the section they belong to; ${VARIABLES} are left for fio to expand.
type JobFile struct {
	// Comments stand at the top of the file, each without its leading ';' or '#'.
	Comments []string
	Global   []Option
	Sections []Section
}

// Section is one job of a job file.
type Section struct {
	Name     string
	Comments []string
	Options  []Option
}

// Job returns the section called name as one job: its name, the global options, then its own, so that the own ones win.
func (f JobFile) Job(name string) (Job, bool) {
	for _, s := range f.Sections {
		if s.Name == name {
			first := Option{Name: "name", Value: name, HasValue: true}
			return Job{Options: slices.Concat([]Option{first}, f.Global, s.Options)}, true
		}
	}
	return Job{}, false
}

// WriteTo writes the job file in fio's format. What fio could not read back is an error.
func (f JobFile) WriteTo(w io.Writer) (int64, error) {
	if err := f.check(); err != nil {
		return 0, fmt.Errorf("writing job file: %w", err)
	}
	var text bytes.Buffer
	writeComments(&text, f.Comments)
	if len(f.Global) > 0 {
		writeSection(&text, globalSection, f.Global)
	}
	for _, s := range f.Sections {
		if text.Len() > 0 {
			text.WriteByte('\n')
		}
		writeComments(&text, s.Comments)
		writeSection(&text, s.Name, s.Options)
	}
	return text.WriteTo(w)
}

func writeComments(text *bytes.Buffer, comments []string) {
	for _, comment := range comments {
		fmt.Fprintf(text, ";%s\n", comment)
	}
}

func writeSection(text *bytes.Buffer, name string, options []Option) {
	fmt.Fprintf(text, "[%s]\n", name)
	for _, option := range options {
		fmt.Fprintln(text, option)
	}
}

// check finds what a line of a job file cannot hold.
func (f JobFile) check() error {
	all := append([]Section{{Name: globalSection, Comments: f.Comments, Options: f.Global}}, f.Sections...)
	for i, s := range all {
		if i > 0 && (s.Name == "" || strings.HasPrefix(s.Name, globalSection)) {
			return fmt.Errorf("a job cannot be called %q", s.Name)
		}
		if bad := badLine(s.Name, s.Comments, s.Options); bad != "" {
			return fmt.Errorf("section [%s]: %q cannot stand in a job file", s.Name, bad)
		}
	}
	return nil
}

func badLine(name string, comments []string, options []Option) string {
	if strings.ContainsAny(name, commentMarks+"\n") {
		return name
	}
	for _, comment := range comments {
		if strings.Contains(comment, "\n") {
			return comment
		}
	}
	for _, option := range options {
		line := option.String()
		if option.Name == "" || strings.ContainsAny(line, commentMarks+"\n") || strings.HasPrefix(line, "[") {
			return line
		}
	}
	return ""
}

const (
	globalSection = "global"
	// commentMarks begin a comment anywhere on a line: fio has no way to quote them.
	commentMarks = ";#"
)
