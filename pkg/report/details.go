package report

import (
	"strconv"

	"labctl/pkg/results/compare"
	"labctl/pkg/results/measure"
)

// detailLine is one line of a workload's full table before its numbers are formatted.
type detailLine struct {
	target, of, n string
	values        []float64 // IOPS, MiB/s, MiB, mean and p99 latency; the latencies are absent per job
	missing       string
}

// details is the full table of one workload. With several jobs it shows total and per-job mean of every target,
// with several blocks median, min and max.
func details(w Workload, blocks bool) grid {
	var lines []detailLine
	for _, c := range w.Cells {
		lines = append(lines, cellLines(c, w.Direction, blocks)...)
	}
	amount := map[measure.Direction]string{measure.Read: "I/O read", measure.Write: "I/O written", measure.Total: "I/O"}[w.Direction]
	numbers := []string{"\nIOPS", "bandwidth\nMiB/s", amount + "\nMiB", "clat mean\nµs", "clat p99\nµs"}
	labelled := false
	for _, l := range lines {
		labelled = labelled || l.of != ""
	}
	g := grid{left: 1, header: []string{"\ntarget"}}
	if labelled {
		g.left, g.header = 2, append(g.header, "")
	}
	if blocks {
		g.header = append(g.header, "\nn")
	}
	g.header = append(g.header, numbers...)
	formats := columns(lines, len(numbers))
	previous := ""
	for _, l := range lines {
		row := []string{l.target}
		if l.target == previous {
			row[0] = ""
		}
		previous = l.target
		if labelled {
			row = append(row, l.of)
		}
		if blocks {
			row = append(row, l.n)
		}
		g.rows = append(g.rows, append(row, l.cells(formats)...))
	}
	return g
}

func columns(lines []detailLine, count int) []func(float64) string {
	var formats []func(float64) string
	for i := range count {
		var values []float64
		for _, l := range lines {
			if i < len(l.values) {
				values = append(values, l.values[i])
			}
		}
		formats = append(formats, column(values))
	}
	return formats
}

func (l detailLine) cells(formats []func(float64) string) []string {
	out := make([]string, len(formats))
	if l.missing != "" {
		out[0] = l.missing
	}
	for i, v := range l.values {
		out[i] = formats[i](v)
		if i >= rateColumns && v == 0 {
			out[i] = "-" // fio was not asked for this latency
		}
	}
	return out
}

// rateColumns is how many columns come before the latencies.
const rateColumns = 3

// cellLines are the lines of one target, by direction, then total and per job, then median, min and max.
func cellLines(c Cell, d measure.Direction, blocks bool) []detailLine {
	var lines []detailLine
	n := strconv.Itoa(c.N)
	add := func(f *Flow, direction string) {
		if f == nil {
			return
		}
		total, perJob := "", "per job"
		if f.PerJob != nil {
			total = "total"
		}
		rows := []detailLine{{of: total, values: pick(f, f.Total, median)}}
		if blocks {
			rows = append(rows, detailLine{values: pick(f, f.Total, smallest)}, detailLine{values: pick(f, f.Total, largest)})
		}
		if f.PerJob != nil {
			rows = append(rows, detailLine{of: perJob, values: pick(f, *f.PerJob, median)[:rateColumns]})
		}
		for i := range rows {
			rows[i].target, rows[i].of = c.Target, join(" ", direction, rows[i].of)
		}
		rows[0].n = n
		if blocks {
			rows[0].of = join(" ", rows[0].of, "median")
			rows[1].of, rows[2].of = "  min", "  max"
		}
		lines = append(lines, rows...)
	}
	readLabel, writeLabel := "", ""
	if d == measure.Total {
		readLabel, writeLabel = "read", "write"
	}
	add(c.Read, readLabel)
	add(c.Write, writeLabel)
	if len(lines) == 0 {
		return []detailLine{{target: c.Target, n: n, missing: c.Missing}}
	}
	return lines
}

func median(s compare.Sample) float64   { return s.Median }
func smallest(s compare.Sample) float64 { return s.Min }
func largest(s compare.Sample) float64  { return s.Max }

func pick(f *Flow, r Rates, of func(compare.Sample) float64) []float64 {
	return []float64{of(r.IOPS), of(r.MiBPerSec), of(r.IOMiB), of(f.ClatMeanUs), of(f.ClatP99Us)}
}
