package fio

import (
	"fmt"
	"math"
	"time"
)

// flow converts one direction, with the units of the version, and checks its numbers against each other.
func (r *reader) flow(at string, w wireFlow) Flow {
	f := Flow{
		IOBytes:  r.ioBytes(at, w),
		IOPS:     r.amount(at+".iops", w.IOPS),
		Runtime:  r.duration(at+".runtime", w.Runtime, time.Millisecond),
		TotalIOs: r.amount(at+".total_ios", w.TotalIOs),
		ShortIOs: r.amount(at+".short_ios", w.ShortIOs),
		DropIOs:  r.amount(at+".drop_ios", w.DropIOs),
	}
	f.BytesPerSec = r.amount(at+".bw_bytes", w.BWBytes)
	if bw, ok := r.amount(at+".bw", w.BW).Get(); ok && !f.BytesPerSec.IsKnown() { // KiB per second; the only one before fio 3.2
		f.BytesPerSec = Known(bw * 1024)
	}
	r.crossCheck(at, f)
	if !f.Active() {
		return f
	}
	if f.Runtime == 0 { // shorter than a millisecond: fio computes no rate and prints 0
		f.BytesPerSec, f.IOPS = Value{}, Value{}
	}
	f.Slat = r.eitherLatency(at+".slat", w.Slat, w.SlatUs)
	f.Clat = r.eitherLatency(at+".clat", w.Clat, w.ClatUs)
	f.Lat = r.eitherLatency(at+".lat", w.Lat, w.LatUs)
	f.BWSamples = r.spread(w.BWSamples, 1024, w.BWMin, w.BWMax, w.BWMean, w.BWDev)
	f.IOPSSamples = r.spread(w.IOPSSamples, 1, w.IOPSMin, w.IOPSMax, w.IOPSMean, w.IOPSStddev)
	return f
}

// ioBytes is the amount in bytes. fio 2.20 and older print KiB under this name, and no io_kbytes.
func (r *reader) ioBytes(at string, w wireFlow) Value {
	n, ok := r.amount(at+".io_bytes", w.IOBytes).Get()
	switch {
	case !ok:
		return Value{}
	case w.IOKBytes != "":
		return Known(n)
	case n > most/r.dialect.ioBytes:
		r.refuse(at+".io_bytes", w.IOBytes, "is more than any storage holds")
		return Value{}
	default:
		return Known(n).Scale(r.dialect.ioBytes)
	}
}

// eitherLatency reads a distribution in nanoseconds, or in microseconds as fio 2 wrote it.
func (r *reader) eitherLatency(at string, ns, us wireLatency) Latency {
	if ns.Mean == "" && us.Mean != "" {
		return r.latency(at, us, 1000)
	}
	return r.latency(at+"_ns", ns, 1)
}

// latency converts a distribution. One without samples has nothing but zeros, or the largest number for the minimum.
func (r *reader) latency(at string, w wireLatency, unitNs float64) Latency {
	l := Latency{N: r.amount(at+".N", w.N)}
	if l.N.Equal(Known(0)) || w.Mean == "" || !l.N.IsKnown() && w.Mean.float() == 0 && w.Max.float() == 0 {
		return l
	}
	nanoseconds := func(key string, n number) Value {
		return r.amount(at+key, n).Scale(unitNs)
	}
	l.MeanNs = nanoseconds(".mean", w.Mean)
	l.StddevNs = r.statistic(w.Stddev).Scale(unitNs)
	l.MaxNs = nanoseconds(".max", w.Max)
	if !w.Min.largest() {
		l.MinNs = nanoseconds(".min", w.Min)
	}
	l.Percentiles, l.Bins = r.percentiles(at, w.Percentile, unitNs), r.bins(at, w.Bins, unitNs)
	return l
}

// percentiles are those that say something: fio 2 fills its list up with "0.00": 0.
func (r *reader) percentiles(at string, from series, unitNs float64) (read []Percentile) {
	for _, p := range from {
		if v, ok := r.amount(at+".percentile", p.value).Get(); ok && p.key > 0 && p.key <= 100 {
			read = append(read, Percentile{Percent: p.key, Ns: int64(v * unitNs)})
		}
	}
	return read
}

func (r *reader) bins(at string, from series, unitNs float64) (read []Bin) {
	for _, p := range from {
		if n, ok := r.amount(at+".bins", p.value).Get(); ok && n > 0 && p.key >= 0 && p.key*unitNs < most {
			read = append(read, Bin{Ns: int64(p.key * unitNs), Count: int64(n)})
		}
	}
	return read
}

// spread is a series of samples, if fio took any. Before fio 2.99 it does not say how many.
func (r *reader) spread(samples number, unit float64, least, largest, mean, dev number) *Spread {
	n := r.amount("samples", samples)
	low, high, middle, width := r.statistic(least), r.statistic(largest), r.statistic(mean), r.statistic(dev)
	if n.Equal(Known(0)) || !middle.IsKnown() || !n.IsKnown() && middle.Or(0) == 0 {
		return nil
	}
	return &Spread{Min: low.Scale(unit), Max: high.Scale(unit), Mean: middle.Scale(unit), Stddev: width.Scale(unit), Samples: n}
}

// slack is how far two numbers of a report that say the same may be apart, in part of the larger one.
const slack = 0.01

// crossCheck compares what is said twice: fio computes rates as amounts over runtime (add_ddir_status_json in stat.c).
// A report where they differ was changed, or was written in units that are not known.
func (r *reader) crossCheck(at string, f Flow) {
	runtime := f.Runtime.Seconds()
	if runtime <= 0 {
		return
	}
	bytes, known := f.IOBytes.Get()
	if bw, ok := f.BytesPerSec.Get(); ok && known {
		// A rounding of one unit on both sides: KiB of io_bytes and KiB per second of bw.
		r.same(at, "io_bytes over runtime", float64(bytes)/runtime, "its bandwidth", bw, "bytes per second", 1024+1024/runtime)
	}
	ios, counted := f.TotalIOs.Get()
	iops, rated := f.IOPS.Get()
	if counted && rated {
		r.same(at, "total_ios over runtime", float64(ios)/runtime, "iops", iops, "per second", 1)
	}
	if bw, ok := f.BytesPerSec.Get(); ok && rated && counted && ios > 0 && known {
		meanSize := float64(bytes) / float64(ios)
		r.same(at, "iops × mean block size", iops*meanSize, "its bandwidth", bw, "bytes per second", 1024+(1+1/runtime)*meanSize)
	}
}

// same refuses two numbers that should be one.
func (r *reader) same(at, first string, a float64, second string, b float64, unit string, rounding float64) {
	if math.Abs(a-b) > rounding+slack*max(a, b) {
		r.errs = append(r.errs, &ContradictionError{Job: r.job, Place: at, First: fmt.Sprintf("%s is %.6g", first, a), Second: fmt.Sprintf("%s is %.6g", second, b), Unit: unit})
	}
}
