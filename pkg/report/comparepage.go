package report

import (
	"fmt"
	"strings"

	"labctl/pkg/results/compare"
)

// comparisonPage lays a comparison out: on a terminal a group of lines per workload, in Markdown targets × workloads.
func comparisonPage(c compare.Comparison) page {
	p := page{
		heading{1, fmt.Sprintf("%s compared with %s", c.A.Name, c.B.Name)},
		facts{{"A", sideFacts(c.A)}, {"B", sideFacts(c.B)}, {"Change", "of B against A"}},
	}
	if c.Warning != "" {
		p = append(p, warn(c.Warning))
	}
	if len(c.Workloads) > 0 {
		p = append(p, wide{terminal: comparisonList(c), document: comparisonMatrix(c)})
	}
	return append(p, heading{2, "Notes"}, bullets(c.Notes))
}

func sideFacts(s compare.Side) string {
	return join(", ", s.Name, prefixed("lab ", s.Lab), string(s.Kind), period(s.Created, s.Created), prefixed("SANDBOX: ", s.Sandbox))
}

func comparisonList(c compare.Comparison) grid {
	_, usual := c.Repetitions()
	g := grid{left: 1, header: []string{"target", "A", "B", "change"}}
	for i, w := range c.Workloads {
		if i > 0 {
			g.rows = append(g.rows, nil)
		}
		g.rows = append(g.rows, []string{w.Name + ": " + metricName(w.Shape), "", "", ""})
		format := comparisonFormat(w)
		for _, r := range w.Rows {
			change := unknownCell
			if r.Percent != nil {
				change = percent(*r.Percent)
			}
			g.rows = append(g.rows, []string{"  " + r.Label, point(r.A, usual, format), point(r.B, usual, format), change})
		}
		if label, a, b := bestLine(w.BestVM); label != "" {
			g.rows = append(g.rows, []string{"  " + label, a, b, ""})
		}
	}
	return g
}

// comparisonMatrix has one line per target and one column per workload: "A / B (change)".
func comparisonMatrix(c compare.Comparison) grid {
	_, usual := c.Repetitions()
	g := grid{left: 1, header: []string{"target"}}
	index := map[string]int{}
	best := make([]string, 1+len(c.Workloads))
	for column, w := range c.Workloads {
		g.header = append(g.header, w.Name+"\n"+metricName(w.Shape)+"\nA / B (change)")
		format := comparisonFormat(w)
		for _, r := range w.Rows {
			line, known := index[r.Label]
			if !known {
				line = len(g.rows)
				index[r.Label] = line
				g.rows = append(g.rows, append([]string{r.Label}, make([]string, len(c.Workloads))...))
			}
			g.rows[line][column+1] = beside(point(r.A, usual, format), point(r.B, usual, format), r.Percent)
		}
		if label, a, b := bestLine(w.BestVM); label != "" {
			best[0], best[column+1] = label, a+" / "+b
		}
	}
	if best[0] != "" {
		g.rows = append(g.rows, best)
	}
	return g
}

// beside puts the lines of two cells side by side, and the change on the first.
func beside(a, b string, change *float64) string {
	linesA, linesB := strings.Split(a, "\n"), strings.Split(b, "\n")
	var lines []string
	for i := range max(len(linesA), len(linesB)) {
		lines = append(lines, lineOr(linesA, i)+" / "+lineOr(linesB, i))
	}
	if change != nil {
		lines[0] += " (" + percent(*change) + ")"
	}
	return strings.Join(lines, "\n")
}

func lineOr(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return unknownCell
}

// comparisonFormat gives both sides of a workload the same decimals.
func comparisonFormat(w compare.Workload) func(float64) string {
	var lowest []float64
	for _, r := range w.Rows {
		for _, s := range []*compare.Sample{r.A.Sample, r.B.Sample} {
			if s != nil {
				lowest = append(lowest, s.Min)
			}
		}
	}
	return column(lowest)
}

func point(p compare.Point, usual int, format func(float64) string) string {
	if p.Sample == nil {
		return p.Missing
	}
	return spread(*p.Sample, usual, format)
}

// bestLine is how far the best guest of each side is from its host; the label is empty when neither side has one.
func bestLine(best *compare.BestVM) (label, a, b string) {
	if best == nil {
		return "", "", ""
	}
	cell := func(side *compare.Best) string {
		if side == nil {
			return unknownCell
		}
		label = bestLabel(side, " ")
		return percent(side.Percent)
	}
	b, a = cell(best.B), cell(best.A) // A last: its label wins
	return label, a, b
}
