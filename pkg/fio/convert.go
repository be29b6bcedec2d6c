package fio

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"time"
)

// reader turns the numbers of one report into values. It remembers what is wrong with them.
type reader struct {
	dialect dialect
	job     string
	errs    []error
	// notNumbers counts the nan and inf of statistics that are missing because of it.
	notNumbers int
}

// most is the largest number that a report can mean: more than any storage did, far from overflow.
const most = 1e18

// refuse remembers a number that cannot be.
func (r *reader) refuse(key string, n number, why string) {
	r.errs = append(r.errs, &ValueError{Job: r.job, Key: key, Value: string(n), Reason: why})
}

// amount is a number that counts something: finite and not negative.
func (r *reader) amount(key string, n number) Value {
	switch {
	case n == "":
		return Value{}
	case !n.finite():
		r.refuse(key, n, "is no number")
	case n.float() < 0:
		r.refuse(key, n, "is negative")
	case n.float() > most:
		r.refuse(key, n, "is more than any storage does")
	default:
		return Known(n.float())
	}
	return Value{}
}

// statistic is a number that fio computes of samples: it is nan or inf when there were none, and missing then.
func (r *reader) statistic(n number) Value {
	switch {
	case n == "":
		return Value{}
	case !n.finite():
		r.notNumbers++
		return Value{}
	default:
		return Known(n.float())
	}
}

func (r *reader) duration(key string, n number, unit time.Duration) time.Duration {
	if f, ok := r.amount(key, n).Get(); ok {
		return scaled(f, unit)
	}
	return 0
}

// report converts the report. The error is one of JSON; what is wrong with the numbers is a problem.
func (r *reader) report(w wireReport) (*Report, error) {
	out := &Report{
		Version:       string(w.Version),
		Timestamp:     w.time(),
		GlobalOptions: w.Global.strings(),
		Jobs:          make([]JobResult, 0, len(w.Jobs)),
	}
	for _, text := range w.Jobs {
		var job wireJob
		if err := json.Unmarshal(text, &job); err != nil {
			return nil, err
		}
		out.Jobs = append(out.Jobs, r.jobResult(job, out.GlobalOptions))
	}
	for _, disk := range w.DiskUtil {
		out.DiskUtil = append(out.DiskUtil, r.disk(disk))
	}
	out.NotNumbers = r.notNumbers
	return out, nil
}

// time prefers milliseconds. The "time" text beside them is in the zone of the machine and not used.
func (w wireReport) time() time.Time {
	switch {
	case w.TimestampMs.finite() && w.TimestampMs.float() > 0 && w.TimestampMs.float() < latestSecond*1e3:
		return time.UnixMilli(int64(w.TimestampMs.float())).UTC()
	case w.Timestamp.finite() && w.Timestamp.float() > 0 && w.Timestamp.float() < latestSecond:
		return time.Unix(int64(w.Timestamp.float()), 0).UTC()
	}
	return time.Time{}
}

// latestSecond is the end of the year 9999, after which JSON has no times.
const latestSecond = 253402300800

func (r *reader) jobResult(w wireJob, global map[string]string) JobResult {
	r.job = string(w.Name)
	j := JobResult{
		Name:            string(w.Name),
		GroupID:         int(r.amount("groupid", w.GroupID).Or(0)),
		Error:           r.errno(w.Error),
		Elapsed:         r.duration("elapsed", w.Elapsed, time.Second),
		Runtime:         r.duration("job_runtime", w.Runtime, time.Millisecond),
		Options:         w.Options.strings(),
		Read:            r.flow("read", w.Read),
		Write:           r.flow("write", w.Write),
		Trim:            r.flow("trim", w.Trim),
		Mixed:           r.flow("mixed", w.Mixed),
		Sync:            Sync{Lat: r.latency("sync.lat_ns", w.Sync.Lat, 1)},
		UsrCPU:          r.statistic(w.UsrCPU),
		SysCPU:          r.statistic(w.SysCPU),
		ContextSwitches: r.amount("ctx", w.Ctx),
		MajorFaults:     r.amount("majf", w.MajFaults),
		MinorFaults:     r.amount("minf", w.MinFaults),
		IODepthLevel:    w.DepthLevel.depths(),
		IODepthSubmit:   w.DepthSubmit.depths(),
		IODepthComplete: w.DepthDone.depths(),
		LatencyShares:   w.latencyShares(),
		SteadyState:     r.steady(w.SteadyState),
	}
	if ms, ok := r.amount("job_start", w.JobStart).Get(); ok && ms > 0 && ms < latestSecond*1e3 {
		j.Started = time.UnixMilli(int64(ms)).UTC()
	}
	option := func(name string) string { return orGlobal(j.Options, global, name) }
	if r.dialect.latIsClat && option("lat_percentiles") == "1" && option("clat_percentiles") != "1" {
		for _, flow := range []*Flow{&j.Read, &j.Write, &j.Trim, &j.Mixed} {
			flow.Lat.Percentiles, flow.Clat.Percentiles = flow.Clat.Percentiles, nil
		}
	}
	if j.Read.Active() || j.Write.Active() || j.Trim.Active() { // asked for both: the sum of what is there already
		j.Mixed = Flow{}
	}
	if verifies(option("verify"), option("rw"), option("readwrite")) {
		j.Verify, j.Read = j.Read, Flow{}
	}
	return j
}

// orGlobal is an option of a job, else of the global section.
func orGlobal(options, global map[string]string, name string) string {
	if value, ok := options[name]; ok {
		return value
	}
	return global[name]
}

// verifies says that a job writes only, and reads what it wrote back afterwards.
func verifies(verify string, directions ...string) bool {
	if verify == "" || verify == "0" || verify == "null" {
		return false
	}
	for _, direction := range directions {
		switch direction, _, _ = strings.Cut(direction, ":"); direction {
		case "write", "randwrite", "trimwrite", "randtrimwrite":
			return true
		}
	}
	return false
}

// errno is the error of a job; fio counts from 1.
func (r *reader) errno(n number) int {
	return int(min(r.amount("error", n).Or(0), math.MaxInt32))
}

func (r *reader) steady(w *wireSteady) *SteadyState {
	if w == nil {
		return nil
	}
	s := &SteadyState{
		Criterion:       string(w.Criterion),
		Duration:        r.duration("steadystate.duration", w.Duration, time.Second),
		Attained:        r.amount("steadystate.attained", w.Attained).Or(0) != 0,
		Measured:        string(w.Measured),
		MaxDeviation:    r.statistic(w.MaxDeviation),
		Slope:           r.statistic(w.Slope),
		MeanBytesPerSec: r.statistic(w.Data.BWMean),
		MeanIOPS:        r.statistic(w.Data.IOPSMean),
	}
	for _, n := range w.Data.BW {
		s.BytesPerSec = append(s.BytesPerSec, r.statistic(n).Or(0))
	}
	for _, n := range w.Data.IOPS {
		s.IOPS = append(s.IOPS, r.statistic(n).Or(0))
	}
	return s
}

// disk converts the counters of a device. They are the kernel's, and wrap around on some: such ones are missing.
func (r *reader) disk(w wireDisk) DiskUtil {
	count := func(n number) Value {
		if v := r.statistic(n); v.Or(-1) >= 0 {
			return v
		}
		return Value{}
	}
	ticks := func(n number) time.Duration { return scaled(count(n).Or(0), time.Millisecond) }
	return DiskUtil{
		Name:    string(w.Name),
		ReadIOs: count(w.ReadIOs), WriteIOs: count(w.WriteIOs),
		ReadMerges: count(w.ReadMerges), WriteMerges: count(w.WriteMerges),
		ReadSectors: count(w.ReadSectors), WriteSectors: count(w.WriteSectors),
		ReadTicks: ticks(w.ReadTicks), WriteTicks: ticks(w.WriteTicks), InQueue: ticks(w.InQueue),
		UtilPercent: count(w.Util),
	}
}

// depths keeps the shares that are numbers.
func (s series) depths() Depths {
	var depths Depths
	for _, p := range s {
		if p.value.finite() {
			depths = append(depths, DepthShare{Depth: int(scaled(p.key, 1)), Percent: p.value.float()})
		}
	}
	return depths
}

// latencyShares joins the three tables of nanoseconds, microseconds and milliseconds.
func (w wireJob) latencyShares() []LatencyShare {
	var shares []LatencyShare
	for _, table := range []struct {
		series series
		unit   time.Duration
	}{{w.LatencyNs, time.Nanosecond}, {w.LatencyUs, time.Microsecond}, {w.LatencyMs, time.Millisecond}} {
		for _, p := range table.series {
			if !p.value.finite() {
				continue
			}
			share := LatencyShare{Percent: p.value.float()}
			if !p.open {
				share.Below = scaled(p.key, table.unit)
			}
			shares = append(shares, share)
		}
	}
	return shares
}

// scaled is value × unit, limited to what a Duration holds.
func scaled(value float64, unit time.Duration) time.Duration {
	switch product := value * float64(unit); {
	case product >= math.MaxInt64:
		return math.MaxInt64
	case product <= math.MinInt64:
		return math.MinInt64
	default:
		return time.Duration(product)
	}
}

// problem joins what is wrong; nil if nothing is.
func (r *reader) problem() error { return errors.Join(r.errs...) }
