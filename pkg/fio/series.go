package fio

import (
	"slices"
	"time"
)

// continues reports whether the report is a later one of the same run: fio --status-interval prints the counters of
// all jobs again and again. Runs that were appended to one file have their own start, or counters that begin anew.
func (r *Report) continues(earlier *Report) bool {
	if r.Version != earlier.Version || len(r.Jobs) != len(earlier.Jobs) || !r.startsWith(earlier) {
		return false
	}
	grown, same := false, true
	for i, job := range r.Jobs {
		before := earlier.Jobs[i]
		if !job.cloneOf(before) || job.Elapsed < before.Elapsed {
			return false
		}
		for at, flow := range job.flows() {
			then := before.flows()[at]
			if flow.less(then) {
				return false
			}
			grown = grown || flow.Runtime > then.Runtime
			same = same && flow.IOBytes == then.IOBytes && flow.Runtime == then.Runtime
		}
	}
	return grown || same
}

// less reports whether a counter is lower than it was: then it was not that counter.
func (f Flow) less(then Flow) bool {
	return f.IOBytes.Or(0) < then.IOBytes.Or(0) || f.TotalIOs.Or(0) < then.TotalIOs.Or(0) || f.Runtime < then.Runtime
}

// startsWith reports whether two reports can be of a run that began at one time; fio counts it in whole seconds.
func (r *Report) startsWith(earlier *Report) bool {
	began, then := r.began(), earlier.began()
	return began.IsZero() || then.IsZero() || began.Sub(then).Abs() <= 2*time.Second
}

// began is when the process started as far as the report tells, else zero.
func (r *Report) began() time.Time {
	if r.Timestamp.IsZero() || len(r.Jobs) == 0 {
		return time.Time{}
	}
	return r.Timestamp.Add(-slices.MaxFunc(r.Jobs, func(a, b JobResult) int { return int(a.Elapsed - b.Elapsed) }).Elapsed)
}

// flows are all directions of a job.
func (j JobResult) flows() [5]Flow { return [5]Flow{j.Read, j.Write, j.Trim, j.Mixed, j.Verify} }
