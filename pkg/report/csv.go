package report

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"
	"time"

	"labctl/pkg/internal/visible"
	"labctl/pkg/results"
	"labctl/pkg/results/compare"
)

// writeCSV writes rows with the given line ending. No cell is a formula.
func writeCSV(w io.Writer, rows [][]string, ending string) error {
	out := csv.NewWriter(w)
	out.UseCRLF = ending == "\r\n"
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = visible.Cell(cell)
		}
		if err := out.Write(cells); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// trialRows are the trials of a run, in the order they were run. Numbers of a trial that failed are empty.
func trialRows(run *results.Run) [][]string {
	rows := [][]string{{
		"run", "node", "benchmark", "jobs", "iops_mean_per_job", "iops_total", "bw_mib_mean_per_job", "bw_mib_total",
		"io_mib_mean_per_job", "io_mib_total", "clat_mean_us", "clat_p99_us", "runtime_ms", "fio_version",
	}}
	table := compare.Tabulate(run)
	for _, t := range run.Trials {
		row := []string{runName(run), t.Target, t.Workload}
		if !compare.Valid(t) {
			rows = append(rows, append(row, make([]string, len(rows[0])-len(row))...))
			continue
		}
		shape, _ := table.Shape(t.Workload)
		flow, jobs := shape.Direction.Of(t.Summary), float64(max(1, t.Summary.Jobs))
		row = append(row, strconv.Itoa(t.Summary.Jobs))
		for _, m := range []compare.Metric{compare.IOPS, compare.Bandwidth, compare.Amount} {
			total := m.Of(flow)
			row = append(row, decimals(total/jobs, 6), decimals(total, 6))
		}
		for _, m := range []compare.Metric{compare.ClatMean, compare.ClatP99} {
			row = append(row, latency(m.Of(flow)))
		}
		runtime := strconv.FormatFloat(t.Summary.RuntimeMax.Seconds()*1000, 'f', 0, 64)
		rows = append(rows, append(row, runtime, t.Summary.FioVersion))
	}
	return rows
}

// runName is the run's ID; runs of the blog, published or imported from a file of its run.py, are called by their date.
func runName(run *results.Run) string {
	if run.Provenance.Importer == "run.py" {
		return run.Created.UTC().Format(time.DateOnly)
	}
	return strings.TrimPrefix(run.ID, "blog:")
}

func decimals(v float64, n int) string { return strconv.FormatFloat(v, 'f', n, 64) }

// latency is in microseconds with nanoseconds; fio reports 0 when it was not asked to measure.
func latency(us float64) string {
	if us <= 0 {
		return ""
	}
	return decimals(us, 3)
}

// comparisonRows are the lines of a comparison; the lines of the best guest are in percent of the host.
func comparisonRows(c compare.Comparison) [][]string {
	rows := [][]string{{
		"workload", "target", "metric", "unit", "direction", "jobs",
		"a", "a_min", "a_max", "a_n", "b", "b_min", "b_max", "b_n", "change_percent",
	}}
	for _, w := range c.Workloads {
		start := func(label, metric, unit string) []string {
			return []string{w.Name, label, metric, unit, string(w.Direction), strconv.Itoa(w.Jobs)}
		}
		for _, r := range w.Rows {
			row := append(start(r.Label, string(w.Metric), w.Metric.Unit()), sampleCells(r.A.Sample)...)
			row = append(row, sampleCells(r.B.Sample)...)
			change := ""
			if r.Percent != nil {
				change = decimals(*r.Percent, 6)
			}
			rows = append(rows, append(row, change))
		}
		if label, _, _ := bestLine(w.BestVM); label != "" {
			row := append(start(label, string(w.Metric), "%"), bestNumber(w.BestVM.A), "", "", "")
			rows = append(rows, append(row, bestNumber(w.BestVM.B), "", "", "", ""))
		}
	}
	return rows
}

func sampleCells(s *compare.Sample) []string {
	if s == nil {
		return make([]string, 4)
	}
	return []string{decimals(s.Median, 6), decimals(s.Min, 6), decimals(s.Max, 6), strconv.Itoa(s.N)}
}

func bestNumber(b *compare.Best) string {
	if b == nil {
		return ""
	}
	return decimals(b.Percent, 6)
}
