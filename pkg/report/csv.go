package report

import (
	"encoding/csv"
	"io"
	"strconv"

	"labctl/pkg/fio"
	"labctl/pkg/internal/visible"
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
			rows = append(rows, append(row, changeCell(r)))
		}
		for _, m := range w.Metrics {
			if m.ID == w.Metric {
				continue // these are the rows above
			}
			for _, r := range m.Rows {
				row := []string{w.Name, r.Label, string(m.ID), m.Unit, string(m.Direction), strconv.Itoa(w.Jobs)}
				row = append(append(row, sampleCells(r.A.Sample)...), sampleCells(r.B.Sample)...)
				rows = append(rows, append(row, changeCell(r)))
			}
		}
		if label, _, _ := bestLine(w.BestVM); label != "" {
			row := append(start(label, string(w.Metric), "%"), bestNumber(w.BestVM.A), "", "", "")
			rows = append(rows, append(row, bestNumber(w.BestVM.B), "", "", "", ""))
		}
	}
	return rows
}

func changeCell(r compare.Row) string {
	if r.Percent == nil {
		return ""
	}
	return decimals(fio.Known(*r.Percent), 6)
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
