// Package compare puts two runs, or two targets, side by side: per workload and target one number each and the
// change between them. It describes and does not judge: what is missing on one side stays visible, and the notes
// say what the numbers cannot support.
package compare

import (
	"slices"
	"time"

	"labctl/pkg/results"
	"labctl/pkg/results/baseline"
	"labctl/pkg/results/measure"
)

// Comparison is two selections side by side.
type Comparison struct {
	Warning   string     `json:"warning,omitempty"` // what must be read before any number
	A         Side       `json:"a"`
	B         Side       `json:"b"`
	Workloads []Workload `json:"workloads"`
	// Notes are what a reader must know to use the numbers, one sentence or two each.
	Notes []string `json:"notes"`
}

// Side says what was compared.
type Side struct {
	Name    string         `json:"name"` // as the user would name it: run or run:target
	RunID   string         `json:"run_id"`
	Target  string         `json:"target,omitempty"`
	Kind    results.Kind   `json:"kind,omitempty"`
	Lab     string         `json:"lab,omitempty"`
	Created time.Time      `json:"created,omitzero"`
	Status  results.Status `json:"status,omitempty"`
	Sandbox string         `json:"sandbox,omitempty"` // "" on a real Proxmox VE
}

// Workload is one workload on both sides.
type Workload struct {
	Name  string `json:"name"`
	Shape `json:"shape"`
	// Rows are in the one metric that suits the workload (see Shape).
	Rows []Row `json:"rows"`
	// Metrics has every metric that a side knows.
	Metrics []MetricRows `json:"metrics"`
	BestVM  *BestVM      `json:"best_vm,omitempty"` // of the blog's runs only
}

// Row is one target, or one pair of targets.
type Row struct {
	Label   string   `json:"label"`
	A       Point    `json:"a"`
	B       Point    `json:"b"`
	Percent *float64 `json:"change_percent"` // of B against A: 100 × (B/A − 1); nil when a side is missing or A is zero
}

// MetricRows are the rows of one metric in one direction.
type MetricRows struct {
	ID        measure.ID        `json:"id"`
	Direction measure.Direction `json:"direction"`
	Unit      string            `json:"unit"`
	Better    measure.Better    `json:"better"`
	Rows      []Row             `json:"rows"`
}

// Point is one side of a row.
type Point struct {
	Target  string  `json:"target"`
	Sample  *Sample `json:"sample"`            // nil when there is none
	Missing string  `json:"missing,omitempty"` // why there is none, such as "not run"
}

// BestVM is how far the fastest guest of each side is from the host of the same side. It says how much of a
// headline survives a second run.
type BestVM struct {
	A *Best `json:"a"` // nil when the side has no host or no guest with a result
	B *Best `json:"b"`
}

// Compare puts b beside a.
func Compare(a, b Selection) Comparison {
	a, b = sameTarget(a, b)
	tables := sides{a: Tabulate(a.Run), b: Tabulate(b.Run), pairs: pairs(a, b)}
	c := Comparison{Warning: warningOf(a, b), A: a.side(), B: b.side(), Workloads: []Workload{}}
	for _, name := range union(tables.a.Workloads, tables.b.Workloads, func(w NamedShape) string { return w.Name }) {
		w := tables.workload(name)
		if a.Target == "" && b.Target == "" && baseline.IsBlog(a.Run) && baseline.IsBlog(b.Run) {
			w.BestVM = tables.bestVM(name, w.Shape)
		}
		c.Workloads = append(c.Workloads, w)
	}
	c.Notes = notes(c, a, b)
	return c
}

// pair is what one row compares.
type pair struct{ label, a, b string }

func pairs(a, b Selection) []pair {
	if a.Target != "" {
		p := pair{label: a.Target, a: a.Target, b: b.Target}
		if a.Target != b.Target {
			p.label = a.Target + " -> " + b.Target
		}
		return []pair{p}
	}
	var all []pair
	for _, name := range union(Tabulate(a.Run).Targets, Tabulate(b.Run).Targets, results.Target.Place) {
		all = append(all, pair{label: name, a: name, b: name})
	}
	return all
}

// sides are the tables of both selections and the rows to make of them.
type sides struct {
	a, b  Table
	pairs []pair
}

func (s sides) workload(name string) Workload {
	shape, found := s.a.Shape(name)
	if other, also := s.b.Shape(name); !found || also && !shape.measured() {
		shape = other
	}
	w := Workload{Name: name, Shape: shape, Rows: s.rows(name, shape), Metrics: []MetricRows{}}
	for _, m := range measure.All() {
		d := shape.Direction
		if m.Process {
			d = measure.Process
		}
		rows := s.rows(name, Shape{Direction: d, Metric: m.ID})
		if slices.ContainsFunc(rows, func(r Row) bool { return r.A.Sample != nil || r.B.Sample != nil }) {
			w.Metrics = append(w.Metrics, MetricRows{ID: m.ID, Direction: d, Unit: m.Unit.Shown, Better: m.Better, Rows: rows})
		}
	}
	return w
}

// rows compares one metric of a workload.
func (s sides) rows(name string, shape Shape) []Row {
	rows := []Row{}
	for _, p := range s.pairs {
		if s.a.planned(p.a, name) || s.b.planned(p.b, name) {
			rows = append(rows, newRow(p.label, s.a.point(p.a, name, shape), s.b.point(p.b, name, shape)))
		}
	}
	return rows
}

func newRow(label string, a, b Point) Row {
	r := Row{Label: label, A: a, B: b}
	if a.Sample != nil && b.Sample != nil && a.Sample.Median != 0 {
		percent := change(a.Sample.Median, b.Sample.Median)
		r.Percent = &percent
	}
	return r
}

func change(from, to float64) float64 { return 100 * (to/from - 1) }

func (t Table) point(target, workload string, shape Shape) Point {
	cell := t.Cell(target, workload)
	p := Point{Target: target}
	if sample, ok := cell.Sample(shape.Metric, shape.Direction); ok {
		p.Sample = &sample
	} else {
		p.Missing = cell.Missing()
	}
	return p
}

func (s sides) bestVM(workload string, shape Shape) *BestVM {
	best := &BestVM{A: s.a.Best(workload, shape), B: s.b.Best(workload, shape)}
	if best.A == nil && best.B == nil {
		return nil
	}
	return best
}

// union returns the names of a in order, then those only b has.
func union[T any](a, b []T, name func(T) string) []string {
	var names []string
	for _, item := range slices.Concat(a, b) {
		if n := name(item); !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names
}
