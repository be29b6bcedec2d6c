package report

import (
	"slices"
	"strconv"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"

	"labctl/pkg/results/compare"
	"labctl/pkg/results/measure"
)

// unknownCell stands where nothing is known.
const unknownCell = "–"

// details are the tables of one workload: rates, latencies, and the latencies of syncs. With several jobs the rates have a
// line with the mean per job, with several blocks every number has its own range below it.
func details(d Document, w Workload) []block {
	var blocks []block
	for _, t := range []struct {
		table   measure.Table
		caption string
	}{
		{measure.Rates, ""},
		{measure.Latency, "Completion latency in µs" + map[bool]string{true: ", without the sync"}[w.Durable]},
		{measure.SyncLatency, "Sync latency in µs (fsync, fdatasync)"},
	} {
		g, ok := detailTable(d, w, t.table)
		if !ok {
			continue
		}
		if t.caption != "" {
			blocks = append(blocks, caption(t.caption))
		}
		blocks = append(blocks, g.fitted()...)
	}
	return blocks
}

// detailLine is one line of a table: one direction of one target.
type detailLine struct {
	target, of, n string
	cell          Cell
	direction     measure.Direction
	perJob        bool
}

// detailTable is one of the tables of a workload; false when nothing of it is known.
func detailTable(d Document, w Workload, table measure.Table) (grid, bool) {
	lines := detailLines(w, table)
	metrics := d.metricsOf(table)
	known := slices.DeleteFunc(slices.Clone(metrics), func(m Metric) bool {
		return !slices.ContainsFunc(lines, func(l detailLine) bool { return l.knows(m.ID) })
	})
	switch {
	case len(known) > 0:
		metrics = known
	case table == measure.Rates: // they say why there are no numbers
		metrics = ratesOnly()
	default:
		return grid{}, false
	}
	counted := d.Run.Blocks > 1
	labelled := slices.ContainsFunc(lines, func(l detailLine) bool { return l.of != "" })
	g := grid{left: 1, header: []string{"\ntarget"}}
	if labelled {
		g.left, g.header = 2, append(g.header, "")
	}
	if counted {
		g.header = append(g.header, "\nn")
		g.fixed = g.left + 1
	}
	var formats []func(float64) string
	for _, m := range metrics {
		g.header = append(g.header, metricHeading(m, w))
		formats = append(formats, lineFormat(lines, m.ID))
	}
	previous := ""
	for _, l := range lines {
		row := l.labels(previous, labelled, counted)
		previous = l.target
		for i, m := range metrics {
			row = append(row, l.text(m, formats[i], i == 0))
		}
		g.rows = append(g.rows, row)
	}
	return g, true
}

// ratesOnly are the rates of a workload without any number.
func ratesOnly() []Metric {
	var metrics []Metric
	for _, m := range measure.All() {
		if m.Shown == measure.Rates {
			metrics = append(metrics, Metric{ID: m.ID, Name: m.Name, Unit: m.Unit.Shown, Metric: m})
		}
	}
	return metrics
}

// labels are the columns before the numbers. The same target is not named twice.
func (l detailLine) labels(previous string, labelled, counted bool) []string {
	row := []string{l.target}
	if l.target == previous {
		row[0] = ""
	}
	if labelled {
		row = append(row, l.of)
	}
	if counted {
		row = append(row, l.n)
	}
	return row
}

func (d Document) metricsOf(table measure.Table) []Metric {
	var metrics []Metric
	for _, m := range d.Metrics {
		if m.Shown == table {
			metrics = append(metrics, m)
		}
	}
	return metrics
}

// metricHeading is the name of a metric over two lines. A table of latencies has its unit in the caption.
func metricHeading(m Metric, w Workload) string {
	switch {
	case m.ID == measure.IOPS:
		return "\n" + m.Name
	case m.ID == measure.IOBytes:
		return "I/O" + map[measure.Direction]string{measure.Read: " read", measure.Write: " written"}[w.Direction] + "\n" + m.Unit
	case m.ID == measure.ClatP99Convention:
		return "p99, mean of\nthe jobs' own"
	case m.Shown == measure.Rates:
		return m.Name + "\n" + m.Unit
	}
	for _, prefix := range []string{"clat ", "sync "} {
		if name, ok := strings.CutPrefix(m.Name, prefix); ok {
			return "\n" + strings.Replace(name, "p50", "median", 1)
		}
	}
	return "\n" + m.Name
}

// detailLines are the lines of a table, target by target.
func detailLines(w Workload, table measure.Table) []detailLine {
	var lines []detailLine
	for _, c := range w.Cells {
		directions := c.directions
		if table == measure.SyncLatency {
			directions = []measure.Direction{measure.Process}
		}
		if len(directions) == 0 || c.N == 0 {
			lines = append(lines, detailLine{target: c.Target, n: strconv.Itoa(c.N), cell: c})
			continue
		}
		for _, d := range directions {
			name := string(d)
			if len(directions) == 1 {
				name = ""
			}
			total := detailLine{target: c.Target, of: name, n: strconv.Itoa(c.N), cell: c, direction: d}
			if c.Jobs < 2 || table != measure.Rates {
				lines = append(lines, total)
				continue
			}
			total.of = join(" ", name, "total")
			lines = append(lines, total, detailLine{target: c.Target, of: join(" ", name, "per job"), cell: c, direction: d, perJob: true})
		}
	}
	return lines
}

func (l detailLine) sample(id measure.ID) *compare.Sample {
	if l.perJob {
		return l.cell.PerJob[l.direction][id]
	}
	return l.cell.Measures[l.direction][id]
}

func (l detailLine) unknown(id measure.ID) measure.Unknown { return l.cell.Unknown[l.direction][id] }

func (l detailLine) knows(id measure.ID) bool {
	return l.sample(id) != nil || l.unknown(id).JobsMin.IsKnown()
}

// text is the cell of one metric.
func (l detailLine) text(m Metric, format func(float64) string, first bool) string {
	if s := l.sample(m.ID); s != nil {
		return spread(*s, l.cell.N, format)
	}
	why := l.unknown(m.ID)
	low, known := why.JobsMin.Get()
	switch {
	case known && m.ID != measure.ClatP99Convention:
		return format(low) + "..\n" + format(why.JobsMax.Or(low)) + "\nby job"
	case l.cell.N > 0:
		return unknownCell
	case first:
		return l.cell.Missing
	default:
		return ""
	}
}

// lineFormat gives the numbers of one column the same decimals.
func lineFormat(lines []detailLine, id measure.ID) func(float64) string {
	var values []float64
	for _, l := range lines {
		if s := l.sample(id); s != nil {
			values = append(values, s.Median)
		} else if low, known := l.unknown(id).JobsMin.Get(); known {
			values = append(values, low)
		}
	}
	return column(values)
}

// fitted splits a table that is too wide for a terminal into several, which all have its left columns.
func (g grid) fitted() []block {
	keep := max(g.left, g.fixed)
	width := func(column int) int {
		widest := columnWidth([]string{g.header[column]})
		for _, row := range g.rows {
			if row != nil {
				widest = max(widest, columnWidth(row[column:column+1]))
			}
		}
		return widest + 2
	}
	first := 0
	for i := range keep {
		first += width(i)
	}
	var blocks []block
	for begin := keep; begin < len(g.header); {
		used, end := first, begin
		for end < len(g.header) && (end == begin || used+width(end) <= textWidth) {
			used += width(end)
			end++
		}
		part := g.columns(keep, begin, end)
		if begin == keep {
			blocks = append(blocks, wide{terminal: part, document: g})
		} else {
			blocks = append(blocks, wide{terminal: part, document: paragraph("")})
		}
		begin = end
	}
	return blocks
}

// columns is the table with its first columns and those from begin to end.
func (g grid) columns(keep, begin, end int) grid {
	cut := func(cells []string) []string {
		if cells == nil {
			return nil
		}
		return append(append([]string{}, cells[:keep]...), cells[begin:end]...)
	}
	part := grid{left: g.left, header: cut(g.header)}
	for _, row := range g.rows {
		part.rows = append(part.rows, cut(row))
	}
	return part
}

func columnWidth(cells []string) int {
	width := 0
	for _, cell := range cells {
		for _, line := range strings.Split(cell, "\n") {
			width = max(width, text.StringWidth(line))
		}
	}
	return width
}
