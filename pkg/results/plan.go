package results

import "slices"

// Plan is what a run was to measure, in the order in which it was to be measured.
type Plan struct {
	// Order is how the trials were ordered: "fixed" or "random", drawn from the run's seed.
	Order string `json:"order,omitempty"`
	// Filter keeps a part of the suite; an empty field keeps everything.
	Filter Filter        `json:"filter,omitzero"`
	Cells  []PlannedCell `json:"cells,omitempty"`
}

// Filter is the part of a suite that was asked for.
type Filter struct {
	Target   string `json:"target,omitempty"`
	Workload string `json:"workload,omitempty"`
}

// PlannedCell is a cell of a plan. Cells of one group are to be measured at the same time.
type PlannedCell struct {
	Cell
	Group string `json:"group,omitempty"`
}

// Missing are the planned cells that were not measured: there is no trial of them.
func (r *Run) Missing() []PlannedCell {
	done := map[Cell]bool{}
	for _, t := range r.Trials {
		done[t.Cell] = true
	}
	return slices.DeleteFunc(slices.Clone(r.Plan.Cells), func(c PlannedCell) bool { return done[c.Cell] })
}

// Attempts is how many trials of a cell the run has.
func (r *Run) Attempts(cell Cell) int {
	n := 0
	for _, t := range r.Trials {
		if t.Cell == cell {
			n++
		}
	}
	return n
}

// Counting are the trials that count: the last attempt at every cell, in the order of Seq.
func (r *Run) Counting() []Trial {
	last := map[Cell]int{}
	for i, t := range r.Trials {
		last[t.Cell] = i
	}
	var trials []Trial
	for i, t := range r.Trials {
		if last[t.Cell] == i {
			trials = append(trials, t)
		}
	}
	return trials
}
