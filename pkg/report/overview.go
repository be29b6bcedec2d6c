package report

import (
	"fmt"

	"labctl/pkg/results/compare"
	"labctl/pkg/results/measure"
)

// overviews show targets × workloads, each workload in its own metric, and in the blog's runs how far the best guest is
// from the host.
func overviews(d Document) []block {
	return overview(overviewLabels(d), d.Workloads, d).fitted()
}

// overviewLabels are the cells of the first column, from the header to the line of the best guest.
func overviewLabels(d Document) []string {
	labels := []string{"\ntarget"}
	for _, t := range d.Targets {
		labels = append(labels, t.Place())
	}
	best := ""
	for _, w := range d.Workloads {
		if w.BestVM != nil {
			best = bestLabel(w.BestVM, "\n")
		}
	}
	return append(labels, best)
}

func bestLabel(b *compare.Best, space string) string {
	return fmt.Sprintf("best %s%svs %s", b.Guests, space, b.Host)
}

// overviewColumn are the cells of one workload.
func overviewColumn(w Workload, blocks int) []string {
	cells := []string{w.Name + "\n" + metricName(w.Shape)}
	var lowest []float64
	for _, c := range w.Cells {
		if c.Headline != nil {
			lowest = append(lowest, c.Headline.Min)
		}
	}
	format := column(lowest)
	for _, c := range w.Cells {
		if c.Headline == nil {
			cells = append(cells, c.Missing)
		} else {
			cells = append(cells, spread(*c.Headline, blocks, format))
		}
	}
	if w.BestVM == nil {
		return append(cells, "")
	}
	return append(cells, percent(w.BestVM.Percent))
}

func overview(first []string, workloads []Workload, d Document) grid {
	columns := [][]string{first}
	for _, w := range workloads {
		columns = append(columns, overviewColumn(w, d.Run.Blocks))
	}
	g := grid{left: 1, rows: make([][]string, len(first)-1)}
	for _, cells := range columns {
		g.header = append(g.header, cells[0])
		for i, cell := range cells[1:] {
			g.rows[i] = append(g.rows[i], cell)
		}
	}
	last := len(g.rows) - 1
	if g.rows[last][0] == "" {
		g.rows = g.rows[:last]
		return g
	}
	g.rows = append(g.rows[:last:last], nil, g.rows[last])
	return g
}

// metricName is the metric of a workload's headline number: "IOPS", or "MiB/s, total of 16" over several jobs.
func metricName(s compare.Shape) string {
	name := s.Unit()
	if s.Direction == measure.Total {
		name = "all I/O, " + name
	}
	if s.Jobs > 1 {
		name += fmt.Sprintf(", total of %d", s.Jobs)
	}
	return name
}

// spread is the median; below it the range when several trials stand behind it, and their number when it is less
// than usual.
func spread(s compare.Sample, usual int, format func(float64) string) string {
	out := format(s.Median)
	if s.N > 1 {
		out += fmt.Sprintf("\n%s..%s", format(s.Min), format(s.Max))
	}
	if s.N < usual {
		out += fmt.Sprintf("\nn=%d", s.N)
	}
	return out
}
