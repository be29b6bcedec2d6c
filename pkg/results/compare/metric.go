package compare

import "labctl/pkg/results"

// Metric is one number that a trial yields.
type Metric string

// The metrics, in the units that Unit tells.
const (
	IOPS      Metric = "iops"
	Bandwidth Metric = "bandwidth"
	Amount    Metric = "io" // how much was read or written
	ClatMean  Metric = "clat_mean"
	ClatP99   Metric = "clat_p99" // mean of the jobs' 99th percentiles
)

// Unit is the unit of Of.
func (m Metric) Unit() string {
	switch m {
	case Bandwidth:
		return "MiB/s"
	case Amount:
		return "MiB"
	case ClatMean, ClatP99:
		return "µs"
	default:
		return "IOPS"
	}
}

// Of takes the metric from a flow. It is 0 where the flow does not have it.
func (m Metric) Of(f results.Flow) float64 {
	switch m {
	case Bandwidth:
		return f.MiBPerSec()
	case Amount:
		return f.IOMiB()
	case ClatMean:
		return f.ClatMeanNs / 1000
	case ClatP99:
		return f.ClatP99MeanNs / 1000
	default:
		return f.IOPS
	}
}

// Direction says which I/O of a workload counts.
type Direction string

// The directions. Mixed is read and write added up.
const (
	Write Direction = "write"
	Read  Direction = "read"
	Mixed Direction = "mixed"
)

// Of takes the direction's flow from a summary.
func (d Direction) Of(s *results.Summary) results.Flow {
	switch d {
	case Read:
		return s.Read
	case Mixed:
		return add(s.Read, s.Write)
	default:
		return s.Write
	}
}

// add is both directions together. Their mean latency is weighted by the number of I/Os; a percentile of both cannot
// be had from two percentiles and stays 0.
func add(r, w results.Flow) results.Flow {
	sum := results.Flow{
		IOPS: r.IOPS + w.IOPS, BytesPerSec: r.BytesPerSec + w.BytesPerSec,
		IOBytes: r.IOBytes + w.IOBytes, TotalIOs: r.TotalIOs + w.TotalIOs,
	}
	if sum.TotalIOs > 0 {
		sum.ClatMeanNs = (r.ClatMeanNs*float64(r.TotalIOs) + w.ClatMeanNs*float64(w.TotalIOs)) / float64(sum.TotalIOs)
	}
	return sum
}

// Shape is how a workload is best told.
type Shape struct {
	Direction Direction `json:"direction"`
	// Metric is IOPS when the average I/O is at most 16 KiB, else bandwidth: small I/O is limited by operations,
	// large I/O by bytes.
	Metric Metric `json:"metric"`
	// Jobs is how many fio jobs the totals are over; 0 when nothing was measured or trials differ.
	Jobs int `json:"jobs"`
}

func (s Shape) measured() bool { return s.Jobs > 0 }

// smallIO is the largest average I/O, in bytes, of a workload that is told in IOPS: 16 KiB and 1 % for rates that
// were rounded.
const smallIO = (16 << 10) * 1.01

// shapeOf looks at every valid trial of a workload.
func shapeOf(trials []results.Trial) Shape {
	shape := Shape{Direction: Write, Metric: IOPS}
	var all results.Flow
	var read, write bool
	for i, t := range trials {
		all = add(all, add(t.Summary.Read, t.Summary.Write))
		read = read || t.Summary.Read.Active()
		write = write || t.Summary.Write.Active()
		if i == 0 {
			shape.Jobs = t.Summary.Jobs
		} else if shape.Jobs != t.Summary.Jobs {
			shape.Jobs = 0
		}
	}
	switch {
	case read && write:
		shape.Direction = Mixed
	case read:
		shape.Direction = Read
	}
	if all.IOPS > 0 && all.BytesPerSec/all.IOPS > smallIO {
		shape.Metric = Bandwidth
	}
	return shape
}
