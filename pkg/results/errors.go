package results

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
)

// NotFoundError says that no run fits a reference.
type NotFoundError struct {
	Ref string
	// Known are the newest IDs, labs and baselines that could have been meant.
	Known []string
}

// Error lists what there is.
func (e *NotFoundError) Error() string {
	known := strings.Join(e.Known, ", ")
	if e.Ref == Latest {
		return "no run has been recorded yet: `labctl bench` records one; known are " + known
	}
	return fmt.Sprintf("no run %q; known are %s", e.Ref, known)
}

// Damage is one file of a run that cannot be used.
type Damage struct {
	Path    string
	Problem string
}

// DamagedError lists the files of a run that cannot be used. The run was loaded without them.
type DamagedError struct {
	Run   string
	Files []Damage
}

// Error names every file and what is wrong with it.
func (e *DamagedError) Error() string {
	lines := make([]string, len(e.Files))
	for i, f := range e.Files {
		lines[i] = f.Path + " " + f.Problem
	}
	return fmt.Sprintf("run %s has files that cannot be used: %s", e.Run, strings.Join(lines, "; "))
}

// WriteError is a result that could not be stored.
type WriteError struct {
	// Path is the file or folder that was being written.
	Path string
	// Kept is the number of trials of the run that were recorded before; they are safe.
	Kept int
	Err  error
}

// Error says what could not be written, what is kept and what to do.
func (e *WriteError) Error() string {
	text := fmt.Sprintf("storing results: %v", e.Err)
	if !strings.Contains(text, e.Path) {
		text = fmt.Sprintf("storing results in %s: %v", e.Path, e.Err)
	}
	if remedy := e.remedy(); remedy != "" {
		text += "; " + remedy
	}
	if e.Kept > 0 {
		text += fmt.Sprintf("; all trials recorded before (%d) are kept", e.Kept)
	}
	return text
}

func (e *WriteError) remedy() string {
	switch {
	case errors.Is(e.Err, syscall.ENOSPC):
		return "free space on that file system or choose another folder with --results"
	case errors.Is(e.Err, syscall.EDQUOT):
		return "free space, have the quota raised or choose another folder with --results"
	case errors.Is(e.Err, syscall.EROFS):
		return "that file system is mounted read-only: remount it or choose another folder with --results"
	case errors.Is(e.Err, fs.ErrPermission):
		return "make the folder writable for you or choose another with --results"
	default:
		return ""
	}
}

// Unwrap returns the cause.
func (e *WriteError) Unwrap() error { return e.Err }
