package fio

import (
	"errors"
	"fmt"
	"io"
)

// ErrNoReport means that the output of fio has no JSON report at all.
var ErrNoReport = errors.New("no fio JSON report found")

// TruncatedError is a report whose JSON was cut short, for example because fio was killed or the disk was full.
// It is an io.ErrUnexpectedEOF.
type TruncatedError struct {
	// Bytes is the length of the whole input, JSONStart the offset at which its JSON begins.
	Bytes, JSONStart int64
	// Path is the place in the report at which it ends, for example "jobs[0].write.clat_ns".
	Path string
}

// Error says how much there was and where it ends.
func (e *TruncatedError) Error() string {
	return fmt.Sprintf("fio report is cut short after %d bytes (JSON from byte %d) in %s", e.Bytes, e.JSONStart, e.Path)
}

// Unwrap makes a TruncatedError an io.ErrUnexpectedEOF.
func (e *TruncatedError) Unwrap() error { return io.ErrUnexpectedEOF }

// SyntaxError is a report that is not valid JSON, or not the JSON of fio.
type SyntaxError struct {
	// Offset is the byte of the input at which reading stopped.
	Offset int64
	Err    error
}

// Error says where and why.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("reading fio report at byte %d: %v", e.Offset, e.Err)
}

// Unwrap returns the cause.
func (e *SyntaxError) Unwrap() error { return e.Err }

// JobError is an error that ended a fio job.
type JobError struct {
	Job string
	// Errno is the error number on the machine that ran fio, Reason its text.
	Errno  int
	Reason string
}

// Error names the job and the reason.
func (e *JobError) Error() string {
	return fmt.Sprintf("fio job %q failed: %s (errno %d)", e.Job, e.Reason, e.Errno)
}
