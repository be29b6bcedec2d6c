package report

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"labctl/pkg/chart"
	"labctl/pkg/internal/visible"
	"labctl/pkg/results"
	"labctl/pkg/results/compare"
	"labctl/pkg/results/measure"
)

// WriteCharts writes a run's charts below dir and returns the paths of the files: for every workload
// <workload>/iops.svg, bandwidth.svg (MiB/s) and io_written.svg or io_read.svg (MiB), and beside the folder
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

// part is what one series of bars shows: one direction of a workload.
type part struct {
	label string // "" unless the workload reads and writes
	flow  func(Cell) *Flow
}

func parts(d measure.Direction) []part {
	read := part{label: "read", flow: func(c Cell) *Flow { return c.Read }}
	write := part{label: "write", flow: func(c Cell) *Flow { return c.Write }}
	switch d {
	case measure.Total:
		return []part{read, write}
	case measure.Read:
		return []part{{flow: read.flow}}
	default:
		return []part{{flow: write.flow}}
	}
}

// rate is what one chart shows.
type rate struct {
	name, unit string
	of         func(Rates) compare.Sample
}

func workloadCharts(d Document, w Workload) []namedChart {
	all := parts(w.Direction)
	amount := func(r Rates) compare.Sample { return r.IOMiB }
	charts := []namedChart{
		{"iops", bars(d, w, all, rate{"I/O operations per second", "IOPS", func(r Rates) compare.Sample { return r.IOPS }})},
		{"bandwidth", bars(d, w, all, rate{"Bandwidth", "MiB/s", func(r Rates) compare.Sample { return r.MiBPerSec }})},
	}
	if w.Direction != measure.Write {
		charts = append(charts, namedChart{"io_read", bars(d, w, all[:1], rate{"I/O read", "MiB", amount})})
	}
	if w.Direction != measure.Read {
		charts = append(charts, namedChart{"io_written", bars(d, w, all[len(all)-1:], rate{"I/O written", "MiB", amount})})
	}
	return charts
}

// bars charts one of a workload's rates: per target a bar for every part and, with several jobs, beside it the
// mean per job, which is what the blog's charts show.
func bars(d Document, w Workload, series []part, r rate) chart.Bars {
	jobs := severalJobs(w)
	b := chart.Bars{
		Title:    w.Name,
		Subtitle: r.name + ", run " + d.Run.ID + ", " + statistic(w),
		YLabel:   r.unit,
		Footnote: footnote(d, w, jobs),
	}
	for _, p := range series {
		if jobs {
			total := "total of all jobs"
			if w.Jobs > 1 {
				total = fmt.Sprintf("total of %d jobs", w.Jobs)
			}
			b.Series = append(b.Series, join(", ", p.label, total), join(", ", p.label, "mean per job"))
		} else if len(series) > 1 {
			b.Series = append(b.Series, p.label)
		}
	}
	for _, c := range w.Cells {
		g := chart.Group{Label: c.Target}
		for _, p := range series {
			g.Values = append(g.Values, values(p.flow(c), jobs, r.of)...)
		}
		b.Groups = append(b.Groups, g)
	}
	return b
}

// values are the bars of one part of a cell: the total and, when asked for, the mean per job.
func values(f *Flow, perJob bool, of func(Rates) compare.Sample) []chart.Value {
	none := chart.NoData()
	switch {
	case f == nil && perJob:
		return []chart.Value{none, none}
	case f == nil:
		return []chart.Value{none}
	case !perJob:
		return []chart.Value{value(of(f.Total))}
	case f.PerJob == nil: // one job on this target, several on another
		return []chart.Value{value(of(f.Total)), value(of(f.Total))}
	default:
		return []chart.Value{value(of(f.Total)), value(of(*f.PerJob))}
	}
}

func value(s compare.Sample) chart.Value {
	return chart.Value{Height: s.Median, Low: s.Min, High: s.Max}
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
