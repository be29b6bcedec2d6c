package results

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"labctl/pkg/fio"
)

// derive sets Summary and Error from what fio printed.
func (t *Trial) derive(raw, stderr []byte) {
	if t.Error == "" {
		t.Error = t.failure(raw, stderr)
	}
	if t.Error != "" {
		t.Summary = nil
	}
}

// failure reads the report and says why the trial is no good, or "".
func (t *Trial) failure(raw, stderr []byte) string {
	var err error
	switch summary, problem := Derive(raw); {
	case problem == nil:
		t.Summary = summary
	case len(raw) > 0 || t.Summary == nil:
		err = problem
	}
	if err == nil && t.ExitCode == 0 {
		return ""
	}
	why := []string{}
	if t.ExitCode != 0 {
		why = append(why, fmt.Sprintf("fio exited with status %d", t.ExitCode))
	}
	said := lastLine(stderr)
	switch {
	case len(raw) == 0 && said == "":
		why = append(why, "it printed nothing")
	case err != nil && len(raw) > 0:
		why = append(why, err.Error())
	}
	if said != "" && !strings.Contains(strings.Join(why, " "), said) {
		why = append(why, said)
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
