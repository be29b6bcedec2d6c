package measure

import (
	"fmt"
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

func known(number float64) reading { return reading{value: fio.Known(number)} }

func unknown(format string, args ...any) reading {
	return reading{Unknown: Unknown{Why: fmt.Sprintf(format, args...)}}
}

func never(source) reading { return reading{} }

// sum adds a number up over the flows.
func sum(get func(fio.Flow) float64) func(source) reading {
	return func(s source) reading {
		var total float64
		for _, f := range s.flows {
			total += get(f)
		}
		return known(total)
	}
}

// latencyOf picks one of the latencies of a flow.
type latencyOf func(fio.Flow) fio.Latency

// measured are the latencies that fio measured: those with samples.
func (s source) measured(of latencyOf) []fio.Latency {
	var all []fio.Latency
	for _, f := range s.flows {
		if l := of(f); l.N > 0 {
			all = append(all, l)
		}
	}
	return all
}

const notMeasured = "fio did not measure this latency"

// mean is the mean of all I/Os: each job's mean weighted by its samples.
func mean(of latencyOf) func(source) reading {
	return func(s source) reading {
		var sum, samples float64
		for _, l := range s.measured(of) {
			sum += l.MeanNs * float64(l.N)
			samples += float64(l.N)
		}
		if samples == 0 {
			return unknown(notMeasured)
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
		worst := slices.MaxFunc(all, func(a, b fio.Latency) int { return int(min(1, max(-1, a.MaxNs-b.MaxNs))) })
		return known(float64(worst.MaxNs))
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
			calls.flows = append(calls.flows, fio.Flow{Clat: job.Sync.Lat})
		}
		if len(calls.measured(completion)) == 0 {
			return unknown("the job did not sync")
		}
		return fromFlows(calls)
	}
}

func syncs(s source) reading {
	var calls int64
	for _, job := range s.jobs {
		calls += job.Sync.Lat.N
	}
	return known(float64(calls))
}

// ofJobs adds a number up over the jobs.
func ofJobs(get func(fio.JobResult) float64) func(source) reading {
	return func(s source) reading {
		var total float64
		for _, job := range s.jobs {
			total += get(job)
		}
		return known(total)
	}
}

// cpuPerIO is the CPU time of the jobs over their I/Os.
func cpuPerIO(s source) reading {
	var busy float64
	var ios int64
	for _, job := range s.jobs {
		if job.Runtime <= 0 {
			return unknown("fio did not say how long its jobs ran")
		}
		busy += (job.UsrCPU + job.SysCPU) / 100 * float64(job.Runtime)
		ios += job.Read.TotalIOs + job.Write.TotalIOs + job.Trim.TotalIOs
	}
	if ios == 0 {
		return unknown("no I/O")
	}
	return known(busy / float64(ios))
}

// depth is the share of the I/Os that were issued while at least this many were in flight, and fewer than the next depth.
func depth(at int) Metric {
	m := Metric{ID: ID(fmt.Sprintf("depth_%d", at)), Name: fmt.Sprintf("I/O at depth %d", at), Unit: percent, Better: Neither, Process: true}
	m.from = func(s source) reading {
		var share, ios float64
		for _, job := range s.jobs {
			n := float64(job.Read.TotalIOs + job.Write.TotalIOs + job.Trim.TotalIOs)
			i := slices.IndexFunc(job.IODepthLevel, func(d fio.DepthShare) bool { return d.Depth == at })
			if i < 0 {
				return unknown("fio did not report this depth")
			}
			share += n * job.IODepthLevel[i].Percent
			ios += n
		}
		if ios == 0 {
			return unknown("no I/O")
		}
		return known(share / ios)
	}
	return m
}

// runtime is the longest time that a job spent on I/O, an end_fsync included.
func runtime(s source) reading {
	var longest time.Duration
	for _, job := range s.jobs {
		longest = max(longest, job.Read.Runtime, job.Write.Runtime, job.Trim.Runtime)
	}
	if longest == 0 {
		return unknown("no I/O")
	}
	return known(float64(longest))
}
