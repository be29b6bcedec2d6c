package compare

import (
	"slices"

	"labctl/pkg/results"
	"labctl/pkg/results/measure"
)

// Table is a run laid out as targets × workloads.
type Table struct {
	// Targets and Workloads are in the run's order; what only trials mention comes last.
	Targets   []results.Target
	Workloads []NamedShape
	cells     map[cellKey][]results.Trial
}

// NamedShape is a workload of a run with its shape.
type NamedShape struct {
	results.Workload
	Shape
}

type cellKey struct{ place, workload string }

// Tabulate lays a run out. Of several attempts at a cell the last one counts.
func Tabulate(run *results.Run) Table {
	t := Table{Targets: slices.Clone(run.Targets), cells: map[cellKey][]results.Trial{}}
	valid := map[string][]results.Trial{}
	workloads := slices.Clone(run.Workloads)
	for _, trial := range run.Counting() {
		key := cellKey{trial.Place(), trial.Workload}
		t.cells[key] = append(t.cells[key], trial)
		if trial.Valid() {
			valid[trial.Workload] = append(valid[trial.Workload], trial)
		}
		if !slices.ContainsFunc(t.Targets, func(known results.Target) bool { return known.Place() == trial.Place() }) {
			t.Targets = append(t.Targets, results.Target{Name: trial.Target, Layer: trial.Layer})
		}
		if !slices.ContainsFunc(workloads, func(known results.Workload) bool { return known.Name == trial.Workload }) {
			workloads = append(workloads, results.Workload{Name: trial.Workload})
		}
	}
	for _, w := range workloads {
		t.Workloads = append(t.Workloads, NamedShape{Workload: w, Shape: shapeOf(valid[w.Name])})
	}
	return t
}

// Shape returns the shape of the workload of this name; false when the run does not have it.
func (t Table) Shape(workload string) (Shape, bool) {
	i := slices.IndexFunc(t.Workloads, func(w NamedShape) bool { return w.Name == workload })
	if i < 0 {
		return Shape{Direction: measure.Write, Metric: measure.IOPS}, false
	}
	return t.Workloads[i].Shape, true
}

// planned reports whether a run was to measure this workload at this place.
func (t Table) planned(place, workload string) bool {
	_, found := t.Shape(workload)
	return found && slices.ContainsFunc(t.Targets, func(known results.Target) bool { return known.Place() == place })
}

// Cell returns the trials of one workload at one place: a target, or target/layer.
func (t Table) Cell(place, workload string) Cell {
	return Cell{Trials: t.cells[cellKey{place, workload}]}
}

// Cell is one workload on one target: a trial per block.
type Cell struct{ Trials []results.Trial }

// Sample describes one metric over the valid trials of a cell, one per block.
type Sample struct {
	N      int     `json:"n"`
	Median float64 `json:"median"` // of an even number of trials the mean of the middle two
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// Divide returns the sample in another unit, such as per job.
func (s Sample) Divide(by float64) Sample {
	return Sample{N: s.N, Median: s.Median / by, Min: s.Min / by, Max: s.Max / by}
}

// Sample takes a metric from the valid trials, in the unit in which it is shown; false when none of them knows it.
func (c Cell) Sample(id measure.ID, d measure.Direction) (Sample, bool) {
	metric, _ := measure.ByID(id)
	var values []float64
	for _, t := range c.Trials {
		if !t.Valid() {
			continue
		}
		if value, ok := t.Measures.Get(d, id).Get(); ok {
			values = append(values, value/metric.Unit.Per)
		}
	}
	if len(values) == 0 {
		return Sample{}, false
	}
	slices.Sort(values)
	n := len(values)
	return Sample{N: n, Median: (values[(n-1)/2] + values[n/2]) / 2, Min: values[0], Max: values[n-1]}, true
}

// Directions are those in which any valid trial had I/O, in the order in which they are shown.
func (c Cell) Directions() []measure.Direction {
	var active []measure.Direction
	for _, d := range measure.Flows() {
		has := func(t results.Trial) bool { return t.Valid() && slices.Contains(t.Measures.Directions(), d) }
		if slices.ContainsFunc(c.Trials, has) {
			active = append(active, d)
		}
	}
	return active
}

// Unknown says why no valid trial knows a metric, in the unit in which it is shown. The range over the jobs is that of
// all trials.
func (c Cell) Unknown(id measure.ID, d measure.Direction) measure.Unknown {
	metric, _ := measure.ByID(id)
	var why measure.Unknown
	for _, t := range c.Trials {
		if t.Valid() {
			why = why.Join(t.Measures.WhyUnknown(d, id).Scale(1 / metric.Unit.Per))
		}
	}
	return why
}

// Metrics are the metrics of the table and those that a job of the cell asked for.
func (c Cell) Metrics() []measure.Metric {
	metrics := measure.All()
	for _, t := range c.Trials {
		if !t.Valid() {
			continue
		}
		for _, m := range t.Measures.Extra() {
			if !slices.ContainsFunc(metrics, func(known measure.Metric) bool { return known.ID == m.ID }) {
				metrics = append(metrics, m)
			}
		}
	}
	return metrics
}

// Failed returns the trials without valid numbers.
func (c Cell) Failed() []results.Trial {
	var failed []results.Trial
	for _, t := range c.Trials {
		if !t.Valid() {
			failed = append(failed, t)
		}
	}
	return failed
}

// Jobs is how many fio jobs the totals of this cell are over; at least 1.
func (c Cell) Jobs() int {
	for _, t := range c.Trials {
		if t.Valid() {
			return max(1, t.Measures.Jobs)
		}
	}
	return 1
}

// Missing says in a word or two why a cell has no sample.
func (c Cell) Missing() string {
	switch {
	case len(c.Trials) == 0:
		return "not run"
	case len(c.Failed()) > 0:
		return "failed"
	default:
		return "no I/O"
	}
}
