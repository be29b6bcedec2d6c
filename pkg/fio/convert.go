package fio

import (
	"math"
	"time"
)

func (w wireReport) report() *Report {
	r := &Report{
		Version:       string(w.Version),
		Timestamp:     w.time(),
		GlobalOptions: w.Global.strings(),
		Jobs:          make([]JobResult, 0, len(w.Jobs)),
	}
	for _, job := range w.Jobs {
		r.Jobs = append(r.Jobs, job.result())
	}
	for _, disk := range w.DiskUtil {
		r.DiskUtil = append(r.DiskUtil, disk.util())
	}
	return r
}

// time prefers milliseconds. The "time" text beside them is in the zone of the machine and not used.
func (w wireReport) time() time.Time {
	if ms := w.TimestampMs.int(); ms > 0 {
		return time.UnixMilli(ms).UTC()
	}
	if s := w.Timestamp.int(); s > 0 {
		return time.Unix(s, 0).UTC()
	}
	return time.Time{}
}

func (w wireJob) result() JobResult {
	j := JobResult{
		Name:            string(w.Name),
		GroupID:         int(w.GroupID.int()),
		Error:           int(w.Error.int()),
		Elapsed:         w.Elapsed.duration(time.Second),
		Runtime:         w.Runtime.duration(time.Millisecond),
		Options:         w.Options.strings(),
		Read:            w.Read.flow(),
		Write:           w.Write.flow(),
		Trim:            w.Trim.flow(),
		Sync:            Sync{Lat: w.Sync.Lat.latency()},
		UsrCPU:          w.UsrCPU.float(),
		SysCPU:          w.SysCPU.float(),
		ContextSwitches: w.Ctx.int(),
		MajorFaults:     w.MajFaults.int(),
		MinorFaults:     w.MinFaults.int(),
		IODepthLevel:    w.DepthLevel.depths(),
		IODepthSubmit:   w.DepthSubmit.depths(),
		IODepthComplete: w.DepthDone.depths(),
		LatencyShares:   w.latencyShares(),
		SteadyState:     w.SteadyState.verdict(),
	}
	if ms := w.JobStart.int(); ms > 0 {
		j.Started = time.UnixMilli(ms).UTC()
	}
	return j
}

func (w wireFlow) flow() Flow {
	return Flow{
		IOBytes:     w.IOBytes.int(),
		BytesPerSec: w.BWBytes.float(),
		IOPS:        w.IOPS.float(),
		Runtime:     w.Runtime.duration(time.Millisecond),
		TotalIOs:    w.TotalIOs.int(),
		ShortIOs:    w.ShortIOs.int(),
		DropIOs:     w.DropIOs.int(),
		Slat:        w.Slat.latency(),
		Clat:        w.Clat.latency(),
		Lat:         w.Lat.latency(),
		BWSamples: Spread{
			Min: w.BWMin.kib(), Max: w.BWMax.kib(), Mean: w.BWMean.kib(), Stddev: w.BWDev.kib(),
			Samples: w.BWSamples.int(),
		},
		IOPSSamples: Spread{
			Min: w.IOPSMin.float(), Max: w.IOPSMax.float(), Mean: w.IOPSMean.float(), Stddev: w.IOPSStddev.float(),
			Samples: w.IOPSSamples.int(),
		},
		BWAggPercent: w.BWAgg.float(),
	}
}

func (w wireLatency) latency() Latency {
	l := Latency{
		MinNs:    w.Min.int(),
		MaxNs:    w.Max.int(),
		MeanNs:   w.Mean.float(),
		StddevNs: w.Stddev.float(),
		N:        w.N.int(),
	}
	for _, p := range w.Percentile {
		l.Percentiles = append(l.Percentiles, Percentile{Percent: p.key, Ns: p.value.int()})
	}
	for _, p := range w.Bins {
		l.Bins = append(l.Bins, Bin{Ns: int64(scaled(p.key, 1)), Count: p.value.int()})
	}
	return l
}

func (s series) depths() Depths {
	var depths Depths
	for _, p := range s {
		depths = append(depths, DepthShare{Depth: int(scaled(p.key, 1)), Percent: p.value.float()})
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
			share := LatencyShare{Percent: p.value.float()}
			if !p.open {
				share.Below = scaled(p.key, table.unit)
			}
			shares = append(shares, share)
		}
	}
	return shares
}

func (w *wireSteady) verdict() *SteadyState {
	if w == nil {
		return nil
	}
	s := &SteadyState{
		Criterion:       string(w.Criterion),
		Duration:        w.Duration.duration(time.Second),
		Attained:        w.Attained.int() != 0,
		Measured:        string(w.Measured),
		MaxDeviation:    w.MaxDeviation.float(),
		Slope:           w.Slope.float(),
		MeanBytesPerSec: w.Data.BWMean.float(),
		MeanIOPS:        w.Data.IOPSMean.float(),
	}
	for _, n := range w.Data.BW {
		s.BytesPerSec = append(s.BytesPerSec, n.float())
	}
	for _, n := range w.Data.IOPS {
		s.IOPS = append(s.IOPS, n.float())
	}
	return s
}

func (w wireDisk) util() DiskUtil {
	d := DiskUtil{
		Name:        string(w.Name),
		ReadIOs:     w.ReadIOs.int(),
		WriteIOs:    w.WriteIOs.int(),
		ReadMerges:  w.ReadMerges.int(),
		WriteMerges: w.WriteMerges.int(),
		ReadTicks:   w.ReadTicks.duration(time.Millisecond),
		WriteTicks:  w.WriteTicks.duration(time.Millisecond),
		InQueue:     w.InQueue.duration(time.Millisecond),
		UtilPercent: w.Util.float(),
	}
	if w.ReadSectors != nil && w.WriteSectors != nil {
		d.HasSectors = true
		d.ReadSectors, d.WriteSectors = w.ReadSectors.int(), w.WriteSectors.int()
	}
	return d
}

// kib converts from KiB, the unit of fio's bandwidth statistics, to bytes.
func (n number) kib() float64 { return n.float() * 1024 }

func (n number) duration(unit time.Duration) time.Duration { return scaled(n.float(), unit) }

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
