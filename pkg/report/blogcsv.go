package report

import (
	"math"
	"strconv"
	"strings"

	"labctl/pkg/results/measure"
)

// blogRows are the lines of <workload>.csv as the blog's run.py wrote them: per target the mean over jobs of IOPS, of
// bandwidth in MiB/s and of MiB written, in the number format of Python. Of several blocks they hold the median. Workloads
// that read have io_read in place of io_written; those that do both have both columns, and rates that are sums.
// The cells of a target without result are empty.
func blogRows(w Workload) [][]string {
	all := directions(w)
	header := []string{"node", "iops", "bandwidth"}
	for _, d := range all {
		header = append(header, map[measure.Direction]string{measure.Read: "io_read", measure.Write: "io_written"}[d])
		if header[len(header)-1] == "" {
			header[len(header)-1] = "io_" + string(d)
		}
	}
	rows := [][]string{header}
	for _, c := range w.Cells {
		row := append(make([]string, 0, len(header)), c.Target)
		numbers := blogNumbers(c, all)
		if numbers == nil {
			numbers = make([]string, len(header)-1)
		}
		rows = append(rows, append(row, numbers...))
	}
	return rows
}

func blogNumbers(c Cell, all []measure.Direction) []string {
	var iops, bandwidth float64
	var amounts []string
	for _, d := range all {
		metrics := c.Measures[d]
		if c.Jobs > 1 {
			metrics = c.PerJob[d]
		}
		if metrics[measure.IOPS] == nil || metrics[measure.Bandwidth] == nil || metrics[measure.IOBytes] == nil {
			return nil
		}
		iops += metrics[measure.IOPS].Median
		bandwidth += metrics[measure.Bandwidth].Median
		amounts = append(amounts, pythonFloat(metrics[measure.IOBytes].Median))
	}
	return append([]string{pythonFloat(iops), pythonFloat(bandwidth)}, amounts...)
}

// pythonFloat is what Python's repr makes of a finite float: the shortest digits that read back as the same number,
// always with a point or an exponent.
func pythonFloat(v float64) string {
	if a := math.Abs(v); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(v, 'e', -1, 64)
	}
	s := strconv.FormatFloat(v, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}
