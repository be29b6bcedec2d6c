package fio

import "time"

// continues reports whether the report is a later one of the same run: fio --status-interval prints the counters of
// all jobs again and again. Runs that were appended to one file have counters that begin anew, or more time between
// their reports than the later one ran.
func (r *Report) continues(earlier *Report) bool {
	if r.Version != earlier.Version || len(r.Jobs) != len(earlier.Jobs) {
		return false
	}
	var grown, changed bool
	for i, job := range r.Jobs {
		before := earlier.Jobs[i]
		if !job.cloneOf(before) || job.Elapsed < before.Elapsed {
			return false
		}
		for at, flow := range job.flows() {
			then := before.flows()[at]
			if flow.IOBytes.Or(0) < then.IOBytes.Or(0) || flow.TotalIOs.Or(0) < then.TotalIOs.Or(0) {
				return false
			}
			grown = grown || flow.IOBytes.Or(0) > then.IOBytes.Or(0)
			changed = changed || flow.Runtime != then.Runtime
		}
	}
	return !grown && !changed || r.follows(earlier, grown)
}

// follows reports whether the times of two reports are those of one run; grown says that there was I/O between them.
func (r *Report) follows(earlier *Report, grown bool) bool {
	switch between := r.Timestamp.Sub(earlier.Timestamp); {
	case r.Timestamp.IsZero() || earlier.Timestamp.IsZero():
		return grown && !near(r.ran(), earlier.ran())
	case wholeSecond(r.Timestamp) && wholeSecond(earlier.Timestamp):
		return grown && between-time.Second < r.ran()
	default:
		return between < r.ran()
	}
}

// ran is how long the process was at it; the run times of jobs do not count before their ramp time is over.
func (r *Report) ran() time.Duration {
	var longest, elapsed time.Duration
	for _, job := range r.Jobs {
		for _, flow := range job.flows() {
			longest = max(longest, flow.Runtime)
		}
		elapsed = max(elapsed, job.Elapsed)
	}
	if longest == 0 {
		return elapsed
	}
	return longest
}

// near says that two runs took the same time: the second one is no continuation. fio 2.1 has microseconds where
// milliseconds belong, in all reports of a series but the last.
func near(a, b time.Duration) bool { return (a - b).Abs() < max(a, b)/50 }

// wholeSecond says that a time may have been rounded: fio before 2.12 has no milliseconds.
func wholeSecond(t time.Time) bool { return t.Nanosecond() == 0 }

// flows are all directions of a job.
func (j JobResult) flows() [5]Flow { return [5]Flow{j.Read, j.Write, j.Trim, j.Mixed, j.Verify} }
