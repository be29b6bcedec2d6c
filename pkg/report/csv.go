package report

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"
	"time"

	"labctl/pkg/fio"
	"labctl/pkg/internal/visible"
	"labctl/pkg/results"
	"labctl/pkg/results/compare"
	"labctl/pkg/results/measure"
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
		row := []string{runName(run), t.Place(), t.Workload}
		if !t.Valid() {
			rows = append(rows, append(row, make([]string, len(rows[0])-len(row))...))
			continue
		}
		shape, _ := table.Shape(t.Workload)
		jobs := float64(max(1, t.Measures.Jobs))
		row = append(row, strconv.Itoa(t.Measures.Jobs))
		for _, id := range []measure.ID{measure.IOPS, measure.Bandwidth, measure.IOBytes} {
			total := shown(t.Measures, shape.Direction, id)
			row = append(row, decimals(total.Scale(1/jobs), 6), decimals(total, 6))
		}
		p99 := shown(t.Measures, shape.Direction, measure.ClatP99)
		if !p99.IsKnown() {
			p99 = shown(t.Measures, shape.Direction, measure.ClatP99Convention)
		}
		row = append(row, decimals(shown(t.Measures, shape.Direction, measure.ClatMean), 3), decimals(p99, 3))
		row = append(row, decimals(shown(t.Measures, measure.Process, measure.Runtime), 0), t.Measures.FioVersion)
		rows = append(rows, row)
	}
	return rows
}

// shown is a number in the unit in which it is shown.
func shown(set *measure.Set, d measure.Direction, id measure.ID) fio.Value {
	metric, _ := measure.ByID(id)
	return set.Get(d, id).Scale(1 / metric.Unit.Per)
}

// runName is the run's ID; runs of the blog, published or imported from a file of its run.py, are called by their date.
func runName(run *results.Run) string {
	if run.Provenance.Importer == "run.py" {
		return run.Created.UTC().Format(time.DateOnly)
	}
	return strings.TrimPrefix(run.ID, "blog:")
}

// decimals is a number with this many decimals; nothing when it is unknown.
func decimals(v fio.Value, n int) string {
	number, ok := v.Get()
	if !ok {
		return ""
	}
	return strconv.FormatFloat(number, 'f', n, 64)
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
			row := append(start(r.Label, string(w.Metric), w.Unit()), sampleCells(r.A.Sample)...)
			row = append(row, sampleCells(r.B.Sample)...)
			change := ""
			if r.Percent != nil {
				change = decimals(fio.Known(*r.Percent), 6)
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
	return []string{decimals(fio.Known(s.Median), 6), decimals(fio.Known(s.Min), 6), decimals(fio.Known(s.Max), 6), strconv.Itoa(s.N)}
}

func bestNumber(b *compare.Best) string {
	if b == nil {
		return ""
	}
	return decimals(fio.Known(b.Percent), 6)
}
