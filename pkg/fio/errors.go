package fio

import (
	"errors"
	"fmt"
	"io"
)

// ErrNoReport means that the output of fio has no JSON report at all.
var ErrNoReport = errors.New("no fio JSON report found")

// ErrSeveralRuns means that the output has the reports of several runs of fio, where one was expected.
var ErrSeveralRuns = errors.New("reports of several runs of fio in one output")

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

// Error names the job, and says it as fio does: err= and its words.
func (e *JobError) Error() string {
	return fmt.Sprintf("fio job %q ended with err=%d: %s", e.Job, e.Errno, e.Reason)
}

// ValueError is a number that cannot be: no number, negative, or beyond all measure.
type ValueError struct {
	Job string
	// Key is the place of the number in the job, for example "write.iops"; Value is the number as it stands there.
	Key, Value, Reason string
}

// Error names the number, its value and its place.
func (e *ValueError) Error() string {
	return fmt.Sprintf("fio job %q: %s is %.40q, which %s", e.Job, e.Key, e.Value, e.Reason)
}

// ContradictionError is a report that says one thing twice, and differently.
type ContradictionError struct {
	// Job and Place say where, for example the direction "write".
	Job, Place string
	// First and Second are the two numbers with their names; both are in this unit.
	First, Second, Unit string
}

// Error has both numbers.
func (e *ContradictionError) Error() string {
	return fmt.Sprintf("fio job %q contradicts itself: %s: %s, but %s (%s): the report was changed, or has units that labctl does not know", e.Job, e.Place, e.First, e.Second, e.Unit)
}
