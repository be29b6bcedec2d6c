package results

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"

	"labctl/pkg/fio"
	"labctl/pkg/internal/visible"
	"labctl/pkg/results/measure"
)

// derive sets everything that follows from what fio printed.
func (t *Trial) derive(outputs []Output) {
	raw, stderr := output(outputs, RoleReport), output(outputs, RoleStderr)
	report, err := parse(raw)
	if report != nil {
		t.Said = said(report.Talk)
		for _, warning := range report.Warnings {
			t.Findings = append(t.Findings, Finding{Rule: "fio-version", Severity: Warning, Evidence: warning})
		}
	}
	t.Said = append(t.Said, said(string(stderr))...)
	if t.Error == "" && err == nil {
		t.Measures = measure.Of(report)
		options := argOptions(t.Args)
		if len(options) == 0 {
			options = reportOptions(report)
		}
		if len(options) > 0 { // fio 2 tells none
			t.Findings = append(t.Findings, buffered(options)...)
		}
	}
	if t.Error == "" {
		t.Error = t.failure(raw, stderr, err)
	}
	if t.Error != "" {
		t.Measures = nil
	}
}

func output(outputs []Output, role Role) []byte {
	i := slices.IndexFunc(outputs, func(o Output) bool { return o.Role == role })
	if i < 0 {
		return nil
	}
	return outputs[i].Data
}

// parse reads fio's report. A job that failed is an error.
func parse(raw []byte) (*fio.Report, error) {
	report, err := fio.ParseReport(raw)
	if err != nil {
		return nil, err
	}
	return report, report.Failed()
}

// maxSaid bounds what is kept of fio's words beside the numbers; all of them are in the artifacts.
const maxSaid = 20

// said are the lines that fio printed beside its report.
func said(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if len(lines) == maxSaid {
			return append(lines, "…")
		}
		lines = append(lines, visible.Line(brief(line)))
	}
	return lines
}

// brief is the beginning of a line that has no end.
func brief(line string) string {
	const most = 500
	if len(line) > most {
		return strings.ToValidUTF8(line[:most], "�") + "…"
	}
	return line
}

// failure says why the trial is no good, or "". err is what is wrong with the report.
func (t *Trial) failure(raw, stderr []byte, err error) string {
	if len(raw) == 0 && t.Measures != nil {
		err = nil // numbers without a report: somebody published them
	}
	if err == nil && t.ExitCode == 0 {
		return ""
	}
	why := []string{}
	if t.ExitCode != 0 {
		why = append(why, fmt.Sprintf("fio exited with status %d", t.ExitCode))
	}
	last := lastLine(stderr)
	switch {
	case len(raw) == 0 && last == "":
		why = append(why, "it printed nothing")
	case err != nil && len(raw) > 0:
		why = append(why, err.Error())
	}
	if last != "" && !strings.Contains(strings.Join(why, " "), last) {
		why = append(why, last)
	}
	return strings.Join(why, ": ") + t.remedy(err)
}

// remedy is what a person can do about a failed trial, or "" when the reason says it all.
func (t *Trial) remedy(err error) string {
	var job *fio.JobError
	switch {
	case errors.As(err, &job) && syscall.Errno(job.Errno) == syscall.ENOSPC: //nolint:gosec // errno of Linux
		return fmt.Sprintf("; the file system that fio writes to on %s is full: free space there, or give the disk more", t.Target)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Sprintf("; fio was ended early: look for an out-of-memory kill or a full disk on %s (what it printed is kept)", t.Target)
	case errors.Is(err, fio.ErrNoReport):
		return fmt.Sprintf("; try the command line by hand on %s", t.Target)
	default:
		return ""
	}
}

// lastLine is the last line of text that is not empty.
func lastLine(text []byte) string {
	text = bytes.TrimSpace(text)
	return strings.ToValidUTF8(string(bytes.TrimSpace(text[bytes.LastIndexByte(text, '\n')+1:])), "�")
}
