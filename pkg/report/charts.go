package report

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"labctl/pkg/chart"
	"labctl/pkg/internal/visible"
	"labctl/pkg/results"
	"labctl/pkg/results/compare"
	"labctl/pkg/results/measure"
)

// WriteCharts writes a run's charts below dir and returns the paths of the files: for every workload
// <workload>/iops.svg, bandwidth.svg (MiB/s), io_written.svg or io_read.svg (MiB), latency.svg (latency_read.svg and
// latency_write.svg when it does both) and, of a durable workload, sync_latency.svg (µs), and beside the folder
// <workload>.csv in the layout of the blog's own CSV files. A run without workloads or targets is an error.
func WriteCharts(dir string, run *results.Run) ([]string, error) {
	d := visible.Of(NewDocument(run, Options{}))
	if len(d.Workloads) == 0 || len(d.Targets) == 0 {
		return nil, fmt.Errorf("drawing charts of run %s: %w", run.ID, chart.ErrEmpty)
	}
	var written []string
	taken := map[string]string{}
	for _, w := range d.Workloads {
		name := fileName(w.Name)
		if other, clash := taken[name]; clash {
			return written, fmt.Errorf("drawing charts of run %s: workloads %q and %q need the same file name", run.ID, other, w.Name)
		}
		taken[name] = w.Name
		files, err := writeWorkload(filepath.Join(dir, name), d, w)
		written = append(written, files...)
		if err != nil {
			return written, fmt.Errorf("drawing charts of run %s: %w", run.ID, err)
		}
	}
	return written, nil
}

// fileName keeps a workload's name from leading out of the folder it is put in.
func fileName(workload string) string {
	name := strings.Map(func(r rune) rune {
		if strings.ContainsRune(`/\:`, r) || r < ' ' {
			return '_'
		}
		return r
	}, workload)
	if trimmed := strings.TrimLeft(name, "."); trimmed != name || name == "" {
		return "_" + trimmed
	}
	return name
}

// writeWorkload writes the charts of one workload into a folder and its CSV file beside it.
func writeWorkload(folder string, d Document, w Workload) ([]string, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	var written []string
	save := func(path string, render func(*bytes.Buffer) error) error {
		var buf bytes.Buffer
		if err := render(&buf); err != nil {
			return err
		}
		written = append(written, path)
		return os.WriteFile(path, buf.Bytes(), 0o644)
	}
	for _, c := range workloadCharts(d, w) {
		err := save(filepath.Join(folder, c.file+".svg"), func(buf *bytes.Buffer) error { return c.bars.WriteSVG(buf) })
		if err != nil {
			return written, err
		}
	}
	err := save(folder+".csv", func(buf *bytes.Buffer) error { return writeCSV(buf, blogRows(w), "\r\n") })
	return written, err
}

// namedChart is a chart and the name of its file without ending.
type namedChart struct {
	file string
	bars chart.Bars
}

// workloadCharts are one chart per rate and, where they are known, one of the completion latency and one of the syncs'.
func workloadCharts(d Document, w Workload) []namedChart {
	all := directions(w)
	var charts []namedChart
	for _, m := range ratesOnly() {
		if m.ID != measure.IOBytes {
			charts = append(charts, namedChart{string(m.ID), rateBars(d, w, all, m)})
			continue
		}
		for _, direction := range all {
			word, ok := map[measure.Direction]string{measure.Read: "read", measure.Write: "written", measure.Trim: "trimmed"}[direction]
			if !ok {
				word = string(direction)
			}
			m.Name = "I/O " + word
			charts = append(charts, namedChart{"io_" + word, rateBars(d, w, []measure.Direction{direction}, m)})
		}
	}
	for _, direction := range all {
		name := "latency"
		if len(all) > 1 {
			name += "_" + string(direction)
		}
		if bars, ok := latencyBars(d, w, direction); ok {
			charts = append(charts, namedChart{name, bars})
		}
	}
	if bars, ok := syncBars(d, w); ok {
		charts = append(charts, namedChart{"sync_latency", bars})
	}
	return charts
}

// directions are those in which any target had I/O; writes when none had any.
func directions(w Workload) []measure.Direction {
	var all []measure.Direction
	for _, d := range measure.Flows() {
		if slices.ContainsFunc(w.Cells, func(c Cell) bool { return slices.Contains(c.directions, d) }) {
			all = append(all, d)
		}
	}
	if len(all) == 0 {
		return []measure.Direction{measure.Write}
	}
	return all
}

// series is one bar of every target.
type series struct {
	name string
	of   func(Cell) *compare.Sample
}

// rateBars charts one rate: per target a bar for every direction and, with several jobs, beside it the mean per job,
// which is what the blog's charts show.
func rateBars(d Document, w Workload, all []measure.Direction, m Metric) chart.Bars {
	jobs := severalJobs(w)
	var bars []series
	for _, direction := range all {
		name := ""
		if len(all) > 1 {
			name = string(direction)
		}
		total := func(c Cell) *compare.Sample { return c.Measures[direction][m.ID] }
		if !jobs {
			bars = append(bars, series{name, total})
			continue
		}
		label := "total of all jobs"
		if w.Jobs > 1 {
			label = fmt.Sprintf("total of %d jobs", w.Jobs)
		}
		bars = append(bars, series{join(", ", name, label), total}, series{join(", ", name, "mean per job"), func(c Cell) *compare.Sample {
			if c.Jobs < 2 { // one job on this target, several on another
				return total(c)
			}
			return c.PerJob[direction][m.ID]
		}})
	}
	title := map[measure.ID]string{measure.IOPS: "I/O operations per second", measure.Bandwidth: "Bandwidth"}[m.ID]
	if title == "" {
		title = m.Name
	}
	return newBars(d, w, bars, title, m.Unit)
}

// latencyBars charts the completion latency of one direction: its median, or its mean where the median is not known, and
// its tail.
func latencyBars(d Document, w Workload, direction measure.Direction) (chart.Bars, bool) {
	var bars []series
	for _, m := range measure.All() {
		skipped := m.ID == "clat_max" || m.ID == measure.ClatMean && w.knows(direction, "clat_p50")
		if m.Shown == measure.Latency && !skipped && w.knows(direction, m.ID) {
			name := strings.Replace(strings.TrimPrefix(m.Name, "clat "), "p50", "median", 1)
			bars = append(bars, series{name, func(c Cell) *compare.Sample { return c.Measures[direction][m.ID] }})
		}
	}
	title := "Completion latency"
	if len(directions(w)) > 1 {
		title += " of " + string(direction) + "s"
	}
	if w.Durable {
		title += " without the sync"
	}
	b := newBars(d, w, bars, title, "µs")
	b.Footnote = footnote(d, w, false)
	return b, len(bars) > 0
}

// syncBars charts what the syncs of a durable workload took.
func syncBars(d Document, w Workload) (chart.Bars, bool) {
	var bars []series
	for _, m := range d.metricsOf(measure.SyncLatency) {
		if m.ID != "sync_max" && w.knows(measure.Process, m.ID) {
			bars = append(bars, series{strings.TrimPrefix(m.Name, "sync "), func(c Cell) *compare.Sample { return c.Measures[measure.Process][m.ID] }})
		}
	}
	b := newBars(d, w, bars, "Latency of fsync and fdatasync", "µs")
	b.Footnote = footnote(d, w, false)
	return b, len(bars) > 0
}

// knows says whether any target knows a metric.
func (w Workload) knows(d measure.Direction, id measure.ID) bool {
	return slices.ContainsFunc(w.Cells, func(c Cell) bool { return c.Measures[d][id] != nil })
}

func newBars(d Document, w Workload, bars []series, title, unit string) chart.Bars {
	b := chart.Bars{
		Title:    w.Name,
		Subtitle: join(", ", title, statistic(w)) + "\n" + origin(d),
		YLabel:   unit,
		Footnote: footnote(d, w, severalJobs(w)),
	}
	if len(bars) > 1 || len(bars) == 1 && bars[0].name != "" {
		for _, s := range bars {
			b.Series = append(b.Series, s.name)
		}
	}
	for _, c := range w.Cells {
		g := chart.Group{Label: c.Target}
		for _, s := range bars {
			value := chart.NoData()
			if sample := s.of(c); sample != nil {
				value = chart.Value{Height: sample.Median, Low: sample.Min, High: sample.Max}
			}
			g.Values = append(g.Values, value)
		}
		b.Groups = append(b.Groups, g)
	}
	return b
}

// origin is where and when the numbers were measured.
func origin(d Document) string {
	date := ""
	if !d.Run.Created.IsZero() {
		date = d.Run.Created.UTC().Format(time.DateOnly)
	}
	return join(", ", prefixed("lab ", d.Run.Lab), prefixed("storage ", storages(d.Targets)), date, "run "+d.Run.ID)
}

func severalJobs(w Workload) bool {
	for _, c := range w.Cells {
		if c.Jobs > 1 {
			return true
		}
	}
	return false
}

// statistic says what a bar stands for.
func statistic(w Workload) string {
	n := 0
	for _, c := range w.Cells {
		n = max(n, c.N)
	}
	if n > 1 {
		return fmt.Sprintf("median of %d blocks with range", n)
	}
	return "one trial per target"
}

func footnote(d Document, w Workload, jobs bool) string {
	var lines []string
	if d.Warning != "" {
		lines = append(lines, d.Warning)
	}
	if jobs {
		lines = append(lines, "Total: sum over the jobs of one fio process. Mean per job: what the blog's charts show.")
	}
	var failed []Failure
	for _, f := range d.Failures {
		if f.Workload == w.Name {
			failed = append(failed, f)
		}
	}
	lines = append(lines, failureLines(failed)...)
	for _, c := range w.Cells {
		if c.Missing != "" && c.Failed == 0 {
			lines = append(lines, c.Target+": "+c.Missing)
		}
	}
	return strings.Join(lines, "\n")
}
