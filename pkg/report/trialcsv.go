package report

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"labctl/pkg/fio"
	"labctl/pkg/results"
	"labctl/pkg/results/baseline"
	"labctl/pkg/results/compare"
	"labctl/pkg/results/measure"
)

// column is one column of the CSV of a run.
type csvColumn struct {
	name string
	of   func(csvTrial) string // of a trial that has no numbers too, if plain
	// plain says that a trial without numbers has it too.
	plain bool
}

// csvTrial is a trial with the direction of its workload.
type csvTrial struct {
	results.Trial
	run       *results.Run
	direction measure.Direction
}

// trialRows are the trials of a run, in the order they were run. A number that is not known is empty.
func trialRows(run *results.Run) [][]string {
	table := compare.Tabulate(run)
	columns := slices.Concat(firstColumns(), metricColumns(run))
	header := make([]string, len(columns))
	for i, c := range columns {
		header[i] = c.name
	}
	rows := [][]string{header}
	for _, t := range run.Trials {
		shape, _ := table.Shape(t.Workload)
		trial := csvTrial{t, run, shape.Direction}
		row := make([]string, len(columns))
		for i, c := range columns {
			if c.plain || t.Valid() {
				row[i] = c.of(trial)
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// firstColumns are those that the CSV has had from the beginning, and what identifies a trial.
func firstColumns() []csvColumn {
	shown := func(name string, id measure.ID, digits int) csvColumn {
		return csvColumn{name: name, of: func(t csvTrial) string { return decimals(t.shown(t.direction, id), digits) }}
	}
	perJob := func(name string, id measure.ID) csvColumn {
		return csvColumn{name: name, of: func(t csvTrial) string {
			return decimals(t.shown(t.direction, id).Scale(1/float64(max(1, t.Measures.Jobs))), 6)
		}}
	}
	plain := func(name string, of func(csvTrial) string) csvColumn {
		return csvColumn{name: name, of: of, plain: true}
	}
	return []csvColumn{
		plain("run", func(t csvTrial) string { return runName(t.run) }),
		plain("node", func(t csvTrial) string { return t.Place() }),
		plain("benchmark", func(t csvTrial) string { return t.Workload }),
		{name: "jobs", of: func(t csvTrial) string { return strconv.Itoa(t.Measures.Jobs) }},
		perJob("iops_mean_per_job", measure.IOPS), shown("iops_total", measure.IOPS, 6),
		perJob("bw_mib_mean_per_job", measure.Bandwidth), shown("bw_mib_total", measure.Bandwidth, 6),
		perJob("io_mib_mean_per_job", measure.IOBytes), shown("io_mib_total", measure.IOBytes, 6),
		shown("clat_mean_us", measure.ClatMean, 3),
		{name: "clat_p99_us", of: func(t csvTrial) string {
			p99 := t.shown(t.direction, measure.ClatP99)
			if !p99.IsKnown() { // the blog's runs and those of schema 1
				p99 = t.shown(t.direction, measure.ClatP99Convention)
			}
			return decimals(p99, 3)
		}},
		{name: "runtime_ms", of: func(t csvTrial) string { return decimals(t.shown(measure.Process, measure.Runtime), 0) }},
		{name: "fio_version", of: func(t csvTrial) string { return t.Measures.FioVersion }},
		plain("block", func(t csvTrial) string { return strconv.Itoa(t.Block) }),
		plain("attempt", func(t csvTrial) string { return strconv.Itoa(t.Attempt) }),
		{name: "direction", of: func(t csvTrial) string { return string(t.direction) }},
	}
}

// metricColumns are the metrics that the first columns do not have, and the numbers of each direction where trials have
// several.
func metricColumns(run *results.Run) []csvColumn {
	cell := compare.Cell{Trials: run.Trials}
	first := []measure.ID{measure.IOPS, measure.Bandwidth, measure.IOBytes, measure.ClatMean, measure.ClatP99, measure.Runtime}
	var columns []csvColumn
	for _, m := range cell.Metrics() {
		if !slices.Contains(first, m.ID) && hasMetric(run, m.ID) {
			columns = append(columns, metricColumn("", m, func(t csvTrial) measure.Direction {
				if m.Process {
					return measure.Process
				}
				return t.direction
			}))
		}
		columns = append(columns, rangeColumns(run, m)...)
	}
	for _, d := range severalDirections(run) {
		for _, m := range cell.Metrics() {
			if !m.Process && hasMetric(run, m.ID) {
				columns = append(columns, metricColumn(string(d)+"_", m, func(csvTrial) measure.Direction { return d }))
			}
		}
	}
	return columns
}

// hasMetric says whether a trial of the run knows a metric, or knows why it is unknown.
func hasMetric(run *results.Run, id measure.ID) bool {
	return slices.ContainsFunc(run.Trials, func(t results.Trial) bool {
		if !t.Valid() {
			return false
		}
		for _, metrics := range t.Measures.Values {
			if _, there := metrics[id]; there {
				return true
			}
		}
		return false
	})
}

func metricColumn(prefix string, m measure.Metric, of func(csvTrial) measure.Direction) csvColumn {
	return csvColumn{name: prefix + columnName(m), of: func(t csvTrial) string { return plainNumber(t.shown(of(t), m.ID)) }}
}

// columnName is the ID of a metric with the unit in which it is shown: "clat_max_us".
func columnName(m measure.Metric) string {
	return join("_", string(m.ID), m.Unit.Column)
}

// rangeColumns are the lowest and the highest of the jobs' own numbers, where a run has nothing else.
func rangeColumns(run *results.Run, m measure.Metric) []csvColumn {
	ends := func(t csvTrial) measure.Unknown {
		return t.Measures.WhyUnknown(t.direction, m.ID).Scale(1 / m.Unit.Per)
	}
	hasRange := func(t results.Trial) bool {
		if !t.Valid() || m.ID == measure.ClatP99 && baseline.IsBlog(run) {
			return false
		}
		for _, reasons := range t.Measures.Unknown {
			if reasons[m.ID].JobsMin.IsKnown() {
				return true
			}
		}
		return false
	}
	if !slices.ContainsFunc(run.Trials, hasRange) {
		return nil
	}
	return []csvColumn{
		{name: string(m.ID) + "_lowest_job_" + m.Unit.Column, of: func(t csvTrial) string { return plainNumber(ends(t).JobsMin) }},
		{name: string(m.ID) + "_highest_job_" + m.Unit.Column, of: func(t csvTrial) string { return plainNumber(ends(t).JobsMax) }},
	}
}

// severalDirections are the directions of the trials that have more than one.
func severalDirections(run *results.Run) []measure.Direction {
	var all []measure.Direction
	for _, d := range measure.Flows() {
		if slices.ContainsFunc(run.Trials, func(t results.Trial) bool {
			return t.Valid() && len(t.Measures.Directions()) > 1 && slices.Contains(t.Measures.Directions(), d)
		}) {
			all = append(all, d)
		}
	}
	return all
}

// runName is the run's ID; runs of the blog, published or imported from a file of its run.py, are called by their date.
func runName(run *results.Run) string {
	if run.Provenance.Importer == results.ImporterRunPy {
		return run.Created.UTC().Format(time.DateOnly)
	}
	return strings.TrimPrefix(run.ID, "blog:")
}

// shown is a number in the unit in which it is shown.
func (t csvTrial) shown(d measure.Direction, id measure.ID) fio.Value {
	metric, _ := measure.ByID(id)
	return t.Measures.Get(d, id).Scale(1 / metric.Unit.Per)
}

// plainNumber is a number with at most six decimals; nothing when it is unknown.
func plainNumber(v fio.Value) string {
	text := decimals(v, 6)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}
