package fio

import (
	"errors"
	"fmt"
	"strings"
)

// ParseJobFile reads a job file as fio does (__parse_jobs_ini in fio's init.c). Errors name the line.
// Not read: include lines, and a [global] section after the first job, which would not hold for all jobs.
func ParseJobFile(data []byte) (JobFile, error) {
	var p jobFileParser
	number := 0
	for line := range strings.Lines(string(data)) {
		number++
		if err := p.line(line); err != nil {
			return JobFile{}, fmt.Errorf("job file line %d: %w", number, err)
		}
	}
	return p.finish(), nil
}

// jobFileParser collects a job file line by line.
type jobFileParser struct {
	file    JobFile
	inside  bool     // some section has begun
	pending []string // comments that belong to whatever comes next
}

func (p *jobFileParser) line(line string) error {
	content, comment, commented := cutComment(strings.TrimSpace(line))
	if commented {
		p.pending = append(p.pending, comment)
	}
	switch {
	case content == "":
		return nil
	case content[0] == '[':
		return p.header(content)
	default:
		return p.option(content)
	}
}

// cutComment splits a line at the first ';' or '#', which fio takes for a comment wherever it stands.
func cutComment(line string) (rest, comment string, found bool) {
	at := strings.IndexAny(line, commentMarks)
	if at < 0 {
		return line, "", false
	}
	return strings.TrimSpace(line[:at]), strings.TrimRight(line[at+1:], " \t\r"), true
}

func (p *jobFileParser) header(line string) error {
	name, closed := strings.CutSuffix(line[1:], "]")
	isGlobal := name == globalSection
	switch {
	case !closed:
		return fmt.Errorf("section %q has no closing bracket", line)
	case name == "":
		return errors.New("a section needs a name")
	case isGlobal && len(p.file.Sections) > 0:
		return errors.New("[global] after the first job: move it to the top")
	case !isGlobal && strings.HasPrefix(name, globalSection):
		return fmt.Errorf("fio takes [%s] for [global], as it does every name that begins so: choose another", name)
	case !isGlobal:
		p.file.Sections = append(p.file.Sections, Section{Name: name})
	}
	p.inside = true
	p.flushComments()
	return nil
}

func (p *jobFileParser) option(line string) error {
	if !p.inside {
		return fmt.Errorf("option %q stands before the first [section]", line)
	}
	name, value, hasValue := strings.Cut(line, "=")
	o := Option{Name: strings.TrimSpace(name), Value: strings.TrimSpace(value), HasValue: hasValue}
	switch {
	case o.Name == "":
		return fmt.Errorf("%q has no option name", line)
	case o.Name == "include" || strings.HasPrefix(o.Name, "include "):
		return errors.New("include is not supported: put the options here")
	}
	p.flushComments()
	if n := len(p.file.Sections); n > 0 {
		p.file.Sections[n-1].Options = append(p.file.Sections[n-1].Options, o)
	} else {
		p.file.Global = append(p.file.Global, o)
	}
	return nil
}

// flushComments gives the pending comments to the section that is open.
func (p *jobFileParser) flushComments() {
	comments := &p.file.Comments
	if n := len(p.file.Sections); n > 0 {
		comments = &p.file.Sections[n-1].Comments
	}
	*comments = append(*comments, p.pending...)
	p.pending = nil
}

// finish returns the file. Comments of an absent or empty [global] go to the first job.
func (p *jobFileParser) finish() JobFile {
	p.flushComments()
	if len(p.file.Global) == 0 && len(p.file.Sections) > 0 {
		first := &p.file.Sections[0]
		first.Comments = append(p.file.Comments, first.Comments...)
		p.file.Comments = nil
	}
	return p.file
}
