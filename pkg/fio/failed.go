package fio

import (
	"fmt"
	"strings"
	"syscall"
)

// Failed returns the first job error as *JobError, or nil.
func (r *Report) Failed() error {
	for _, job := range r.Jobs {
		if job.Error != 0 {
			return &JobError{Job: job.Name, Errno: job.Error, Reason: r.reason(job.Error)}
		}
	}
	return nil
}

// reason is the name of an error, and fio's own line about it where it printed one with the report.
func (r *Report) reason(errno int) string {
	name := syscall.Errno(errno).Error()
	for line := range strings.Lines(r.Talk) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "fio:") && (strings.Contains(line, fmt.Sprintf("err=%d/", errno)) || strings.Contains(strings.ToLower(line), strings.ToLower(name))) {
			return name + ": " + line
		}
	}
	return name
}
