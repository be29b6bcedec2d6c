package compare

import (
	"slices"

	"labctl/pkg/results"
	"labctl/pkg/results/measure"
)

// Shape is how a workload is best told.
type Shape struct {
	Direction measure.Direction `json:"direction"`
	// Metric is IOPS when the average I/O is at most 16 KiB, else bandwidth: small I/O is limited by operations,
	// large I/O by bytes.
	Metric measure.ID `json:"metric"`
	// Jobs is how many fio jobs the totals are over; 0 when nothing was measured or trials differ.
	Jobs int `json:"jobs"`
}

func (s Shape) measured() bool { return s.Jobs > 0 }

// Unit is the unit of the shape's metric, as it is shown.
func (s Shape) Unit() string {
	metric, _ := measure.ByID(s.Metric)
	return metric.Unit.Shown
}

// smallIO is the largest average I/O, in bytes, of a workload that is told in IOPS: 16 KiB and 1 % for rates that
// were rounded.
const smallIO = (16 << 10) * 1.01

// shapeOf looks at every valid trial of a workload.
func shapeOf(trials []results.Trial) Shape {
	shape := Shape{Direction: measure.Write, Metric: measure.IOPS}
	var iops, bytesPerSec float64
	var seen []measure.Direction
	for i, t := range trials {
		n, _ := t.Measures.Get(measure.Total, measure.IOPS).Get()
		b, _ := t.Measures.Get(measure.Total, measure.Bandwidth).Get()
		iops, bytesPerSec = iops+n, bytesPerSec+b
		for _, d := range t.Measures.Directions() {
			if d != measure.Verify && !slices.Contains(seen, d) {
				seen = append(seen, d)
			}
		}
		if i == 0 {
			shape.Jobs = t.Measures.Jobs
		} else if shape.Jobs != t.Measures.Jobs {
			shape.Jobs = 0
		}
	}
	if len(seen) > 0 {
		shape.Direction = seen[0]
	}
	if len(seen) > 1 {
		shape.Direction = measure.Total
	}
	if iops > 0 && bytesPerSec/iops > smallIO {
		shape.Metric = measure.Bandwidth
	}
	return shape
}
