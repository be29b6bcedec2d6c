package measure

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"labctl/pkg/fio"
)

// source is what a metric is taken from: the jobs of one fio process, and their I/O in one direction. In the direction
// Total a job has an entry in flows for each of its directions.
type source struct {
	jobs  []fio.JobResult
	flows []fio.Flow
}

// reading is a number, or why there is none.
type reading struct {
	value fio.Value
	Unknown
}

// Unknown says why a metric has no value.
type Unknown struct {
	Why string `json:"why"`
	// JobsMin, JobsMean and JobsMax are about the numbers that several jobs have of their own.
	JobsMin  fio.Value `json:"jobs_min,omitzero"`
	JobsMean fio.Value `json:"jobs_mean,omitzero"`
	JobsMax  fio.Value `json:"jobs_max,omitzero"`
}

// Scale is the same with numbers in another unit.
func (u Unknown) Scale(factor float64) Unknown {
	u.JobsMin, u.JobsMean, u.JobsMax = u.JobsMin.Scale(factor), u.JobsMean.Scale(factor), u.JobsMax.Scale(factor)
	return u
}

// Join is what can be said of both: the range over the jobs of both, and no mean of means.
func (u Unknown) Join(other Unknown) Unknown {
	low, knowsLow := u.JobsMin.Get()
	high, knowsHigh := u.JobsMax.Get()
	if !knowsLow || !knowsHigh {
		return other
	}
	if !other.JobsMin.IsKnown() {
		return u
	}
	joined := Unknown{Why: u.Why, JobsMin: fio.Known(min(low, other.JobsMin.Or(low))), JobsMax: fio.Known(max(high, other.JobsMax.Or(high)))}
	if u == other {
		joined.JobsMean = u.JobsMean
	}
	return joined
}

func known(number float64) reading { return reading{value: fio.Known(number)} }

func unknown(format string, args ...any) reading {
	return reading{Unknown: Unknown{Why: fmt.Sprintf(format, args...)}}
}

func never(source) reading { return reading{} }

// added adds values up; the sum is unknown when fio did not report one of them.
func added(values []fio.Value) reading {
	total := fio.Known(0)
	for _, v := range values {
		total = total.Add(v)
	}
	if !total.IsKnown() {
		return reading{}
	}
	return reading{value: total}
}

// sum adds a number up over the flows.
func sum(get func(fio.Flow) fio.Value) func(source) reading {
	return func(s source) reading {
		values := make([]fio.Value, len(s.flows))
		for i, f := range s.flows {
			values[i] = get(f)
		}
		return added(values)
	}
}

// latencyOf picks one of the latencies of a flow.
type latencyOf func(fio.Flow) fio.Latency

// measured are the latencies that fio measured: those with samples. fio before 3.18 does not count the samples of a
// latency; there is one for each I/O.
func (s source) measured(of latencyOf) []fio.Latency {
	var all []fio.Latency
	for _, f := range s.flows {
		l := of(f)
		if !l.MeanNs.IsKnown() {
			continue
		}
		if !l.N.IsKnown() {
			l.N = f.TotalIOs
		}
		all = append(all, l)
	}
	return all
}

const notMeasured = "fio did not measure this latency"

// mean is the mean of all I/Os: each job's mean weighted by its samples.
func mean(of latencyOf) func(source) reading {
	return func(s source) reading {
		all := s.measured(of)
		switch len(all) {
		case 0:
			return unknown(notMeasured)
		case 1:
			return reading{value: all[0].MeanNs}
		}
		var sum, samples float64
		for _, l := range all {
			n, ok := l.N.Get()
			if !ok {
				return unknown("this version of fio does not say how many samples each of %d results has", len(all))
			}
			sum += l.MeanNs.Or(0) * n
			samples += n
		}
		return known(sum / samples)
	}
}

func largest(of latencyOf) func(source) reading {
	return func(s source) reading {
		all := s.measured(of)
		if len(all) == 0 {
			return unknown(notMeasured)
		}
		worst := slices.MaxFunc(all, func(a, b fio.Latency) int { return cmp.Compare(a.MaxNs.Or(0), b.MaxNs.Or(0)) })
		return reading{value: worst.MaxNs}
	}
}

// percentileOf is the percentile of all I/Os. Several jobs need fio's histograms for it: percentiles cannot be added up.
func percentileOf(percent float64, of latencyOf) func(source) reading {
	return func(s source) reading {
		all := s.measured(of)
		switch {
		case len(all) == 0:
			return unknown(notMeasured)
		case len(all) == 1:
			if ns, ok := all[0].Percentile(percent); ok {
				return known(float64(ns))
			}
		}
		if merged, ok := merge(all); ok {
			return known(float64(merged.percentile(percent)))
		}
		return percentileRange(percent, all)
	}
}

func percentileFrom(percent float64) func(latencyOf) func(source) reading {
	return func(of latencyOf) func(source) reading { return percentileOf(percent, of) }
}

// percentileRange is what can be said of several jobs without histograms.
func percentileRange(percent float64, all []fio.Latency) reading {
	var own []float64
	for _, l := range all {
		if ns, ok := l.Percentile(percent); ok {
			own = append(own, float64(ns))
		}
	}
	if len(own) < len(all) {
		return unknown("fio was not asked for this percentile")
	}
	r := unknown("each of %d results has its own percentile and none has the histogram that a common one needs", len(own))
	var sum float64
	for _, ns := range own {
		sum += ns
	}
	r.JobsMin, r.JobsMean, r.JobsMax = fio.Known(slices.Min(own)), fio.Known(sum/float64(len(own))), fio.Known(slices.Max(own))
	return r
}

// ofSync takes a latency metric from the jobs' fsync and fdatasync calls.
func ofSync(metric func(latencyOf) func(source) reading) func(source) reading {
	fromFlows := metric(completion)
	return func(s source) reading {
		var calls source
		for _, job := range s.jobs {
			calls.flows = append(calls.flows, fio.Flow{Clat: job.Sync.Lat, TotalIOs: job.Sync.Lat.N})
		}
		if len(calls.measured(completion)) == 0 {
			return unknown("the job did not sync")
		}
		return fromFlows(calls)
	}
}

func syncs(s source) reading {
	values := make([]fio.Value, len(s.jobs))
	for i, job := range s.jobs {
		values[i] = job.Sync.Lat.N
	}
	return added(values)
}

// ofJobs adds a number up over the jobs.
func ofJobs(get func(fio.JobResult) fio.Value) func(source) reading {
	return func(s source) reading {
		values := make([]fio.Value, len(s.jobs))
		for i, job := range s.jobs {
			values[i] = get(job)
		}
		return added(values)
	}
}

// cpu adds up the CPU time of the jobs in percent of one core. fio reports the mean of a group, and the time that all its
// jobs together ran.
func cpu(get func(fio.JobResult) fio.Value) func(source) reading {
	return ofJobs(func(job fio.JobResult) fio.Value {
		clones := 1.0
		if ran := runtimeOf(job); ran > 0 {
			clones = max(1, math.Round(float64(job.Runtime)/float64(ran)))
		}
		return get(job).Scale(clones)
	})
}

// ios is how many I/Os a job did in all directions.
func ios(job fio.JobResult) float64 {
	return job.Read.TotalIOs.Or(0) + job.Write.TotalIOs.Or(0) + job.Trim.TotalIOs.Or(0) + job.Mixed.TotalIOs.Or(0) + job.Verify.TotalIOs.Or(0)
}

// cpuPerIO is the CPU time of the jobs over their I/Os.
func cpuPerIO(s source) reading {
	var busy, all float64
	for _, job := range s.jobs {
		cpu, ok := job.UsrCPU.Add(job.SysCPU).Get()
		if job.Runtime <= 0 || !ok {
			return unknown("fio did not say how long its jobs ran")
		}
		busy += cpu / 100 * float64(job.Runtime)
		all += ios(job)
	}
	if all == 0 {
		return unknown("no I/O")
	}
	return known(busy / all)
}

// depth is the share of the I/Os that were issued while at least this many were in flight, and fewer than the next depth.
func depth(at int) Metric {
	m := Metric{ID: ID(fmt.Sprintf("depth_%d", at)), Name: fmt.Sprintf("I/O at depth %d", at), Unit: percent, Better: Neither, Process: true}
	m.from = func(s source) reading {
		var share, all float64
		for _, job := range s.jobs {
			i := slices.IndexFunc(job.IODepthLevel, func(d fio.DepthShare) bool { return d.Depth == at })
			if i < 0 {
				return reading{}
			}
			share += ios(job) * job.IODepthLevel[i].Percent
			all += ios(job)
		}
		if all == 0 {
			return unknown("no I/O")
		}
		return known(share / all)
	}
	return m
}

// runtime is the longest time that a job spent on I/O, an end_fsync included.
func runtime(s source) reading {
	var longest time.Duration
	for _, job := range s.jobs {
		longest = max(longest, runtimeOf(job))
	}
	if longest == 0 {
		return unknown("no I/O")
	}
	return known(float64(longest))
}

// runtimeOf is the time that one job spent on I/O.
func runtimeOf(job fio.JobResult) time.Duration {
	return max(job.Read.Runtime, job.Write.Runtime, job.Trim.Runtime, job.Mixed.Runtime)
}
