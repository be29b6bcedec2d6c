package report

import (
	"cmp"
	"slices"
	"time"

	"labctl/pkg/results"
	"labctl/pkg/results/baseline"
	"labctl/pkg/results/compare"
	"labctl/pkg/results/measure"
)

// Document is a run as a reader wants it: per workload and target the medians over blocks. It is the JSON report.
// What was not measured is null.
type Document struct {
	SchemaVersion int              `json:"schema_version"`
	Warning       string           `json:"warning,omitempty"` // what must be read before any number
	Run           RunInfo          `json:"run"`
	Targets       []results.Target `json:"targets"`
	Metrics       []Metric         `json:"metrics"` // the metrics that the cells have
	Workloads     []Workload       `json:"workloads"`
	Failures      []Failure        `json:"failures"`
	Overhead      *Overhead        `json:"overhead"` // null when it is not known
	Notes         []string         `json:"notes"`
	RawDir        string           `json:"raw_dir,omitempty"`
}

// RunInfo says which run this is.
type RunInfo struct {
	ID            string         `json:"id"`
	Kind          results.Kind   `json:"kind"`
	Title         string         `json:"title,omitempty"`
	Lab           string         `json:"lab,omitempty"`
	Suite         string         `json:"suite,omitempty"`
	Created       time.Time      `json:"created,omitzero"`
	Finished      time.Time      `json:"finished,omitzero"`
	Status        results.Status `json:"status"`
	StatusReason  string         `json:"status_reason,omitempty"`
	Blocks        int            `json:"blocks"`
	Trials        int            `json:"trials"`
	Planned       int            `json:"planned"` // trials that the plan asked for; 0 when the run has none
	Missing       int            `json:"missing"` // planned trials that were not run
	Seed          uint64         `json:"seed,omitempty,string"`
	RestSeconds   float64        `json:"rest_seconds"`
	FilePolicy    string         `json:"file_policy,omitempty"`
	Sandbox       string         `json:"sandbox,omitempty"` // "" on a real Proxmox VE
	Server        string         `json:"server,omitempty"`
	PVEVersion    string         `json:"pve_version,omitempty"`
	PVENode       string         `json:"pve_node,omitempty"`
	LabctlVersion string         `json:"labctl_version,omitempty"`
	LabRunID      string         `json:"lab_run_id,omitempty"`
	Source        string         `json:"source,omitempty"`
}

// Metric describes the numbers of one ID.
type Metric struct {
	ID     measure.ID     `json:"id"`
	Name   string         `json:"name"`
	Unit   string         `json:"unit"`
	Better measure.Better `json:"better"`

	measure.Metric `json:"-"`
}

// Workload is one workload on every target.
type Workload struct {
	Name          string `json:"name"`
	CommandLine   string `json:"command_line,omitempty"`
	compare.Shape `json:"shape"`
	Durable       bool          `json:"durable"` // it waits for its data to be on the disk, as far as its syncs tell
	Cells         []Cell        `json:"cells"`
	BestVM        *compare.Best `json:"best_vm"` // of the blog's runs; null for others
}

// Cell is one workload on one target.
type Cell struct {
	Target   string          `json:"target"`
	N        int             `json:"n"`      // trials with valid numbers
	Failed   int             `json:"failed"` // trials without
	Jobs     int             `json:"jobs"`   // fio jobs that the totals are over
	Headline *compare.Sample `json:"headline"`
	Missing  string          `json:"missing,omitempty"` // why there is no headline: "not run", "failed" or "no I/O"
	// Measures are the metrics by direction and ID, of all jobs together; null when none of the trials knows one.
	Measures map[measure.Direction]map[measure.ID]*compare.Sample `json:"measures"`
	// PerJob are the means over the jobs of the metrics that add up; absent when there is one job.
	PerJob map[measure.Direction]map[measure.ID]*compare.Sample `json:"per_job,omitempty"`
	// Unknown says why metrics are null, as far as it is known.
	Unknown map[measure.Direction]map[measure.ID]measure.Unknown `json:"unknown,omitempty"`

	directions []measure.Direction
}

// Failure is a trial without valid numbers.
type Failure struct {
	Target   string `json:"target"`
	Workload string `json:"workload"`
	Block    int    `json:"block"`
	ExitCode int    `json:"exit_code"`
	Error    string `json:"error"`
}

// Overhead is where the time of the run went, in seconds.
type Overhead struct {
	WallSeconds    float64 `json:"wall_seconds"`
	FioSeconds     float64 `json:"fio_seconds"`
	RestSeconds    float64 `json:"rest_seconds"`
	HarnessSeconds float64 `json:"harness_seconds"` // neither fio nor rest
	HarnessPercent float64 `json:"harness_percent"` // of fio and rest
}

// NewDocument derives the report of a run.
func NewDocument(run *results.Run, o Options) Document {
	table := compare.Tabulate(run)
	d := Document{
		SchemaVersion: SchemaVersion,
		Warning:       compare.Warning(run),
		Run:           runInfo(run),
		Targets:       append([]results.Target{}, table.Targets...),
		Metrics:       []Metric{},
		Workloads:     []Workload{},
		Failures:      failures(run),
		Overhead:      overhead(run.Overhead),
	}
	if run.Kind != results.KindPublished { // of those there are numbers only
		d.RawDir = o.RawDir
	}
	for _, shape := range table.Workloads {
		w := Workload{Name: shape.Name, CommandLine: shape.CommandLine, Shape: shape.Shape}
		if baseline.IsBlog(run) {
			w.BestVM = table.Best(shape.Name, shape.Shape)
		}
		for _, target := range table.Targets {
			trials := table.Cell(target.Place(), shape.Name)
			c := newCell(target.Place(), trials, shape.Shape)
			w.Durable = w.Durable || c.sample(measure.Process, measure.SyncMean) != nil
			d.addMetrics(trials.Metrics(), c)
			w.Cells = append(w.Cells, c)
		}
		d.Workloads = append(d.Workloads, w)
	}
	inOrder(d.Metrics)
	d.Notes = notes(run, d)
	return d
}

// inOrder sorts metrics as the table has them, those that only jobs asked for last.
func inOrder(metrics []Metric) {
	table := measure.All()
	place := func(m Metric) int {
		if i := slices.IndexFunc(table, func(known measure.Metric) bool { return known.ID == m.ID }); i >= 0 {
			return i
		}
		return len(table)
	}
	slices.SortStableFunc(metrics, func(a, b Metric) int { return cmp.Compare(place(a), place(b)) })
}

// addMetrics describes the metrics that a cell has.
func (d *Document) addMetrics(metrics []measure.Metric, c Cell) {
	for _, m := range metrics {
		if c.has(m.ID) && !slices.ContainsFunc(d.Metrics, func(known Metric) bool { return known.ID == m.ID }) {
			d.Metrics = append(d.Metrics, Metric{ID: m.ID, Name: m.Name, Unit: m.Unit.Shown, Better: m.Better, Metric: m})
		}
	}
}

// has says whether a metric is known, or known to be unknown, in any direction.
func (c Cell) has(id measure.ID) bool {
	for _, metrics := range c.Measures {
		if _, there := metrics[id]; there {
			return true
		}
	}
	return false
}

func newCell(target string, trials compare.Cell, shape compare.Shape) Cell {
	c := Cell{Target: target, Failed: len(trials.Failed()), Jobs: trials.Jobs(), directions: trials.Directions()}
	c.N = len(trials.Trials) - c.Failed
	c.Measures = map[measure.Direction]map[measure.ID]*compare.Sample{}
	if s, ok := trials.Sample(shape.Metric, shape.Direction); ok {
		c.Headline = &s
	} else {
		c.Missing = trials.Missing()
	}
	if c.N == 0 {
		return c
	}
	directions := append(trials.Directions(), measure.Process)
	if len(directions) > 2 {
		directions = append(directions, measure.Total)
	}
	for _, d := range directions {
		for _, m := range trials.Metrics() {
			if m.Process == (d == measure.Process) {
				c.put(d, m, trials)
			}
		}
	}
	return c
}

// put takes one metric of one direction from the trials.
func (c *Cell) put(d measure.Direction, m measure.Metric, trials compare.Cell) {
	sample, ok := trials.Sample(m.ID, d)
	if !ok {
		if why := trials.Unknown(m.ID, d); why.Why != "" {
			set(c.Measures, d, m.ID, nil)
			if c.Unknown == nil {
				c.Unknown = map[measure.Direction]map[measure.ID]measure.Unknown{}
			}
			set(c.Unknown, d, m.ID, why)
		}
		return
	}
	set(c.Measures, d, m.ID, &sample)
	if m.Adds && c.Jobs > 1 {
		if c.PerJob == nil {
			c.PerJob = map[measure.Direction]map[measure.ID]*compare.Sample{}
		}
		mean := sample.Divide(float64(c.Jobs))
		set(c.PerJob, d, m.ID, &mean)
	}
}

func set[V any](table map[measure.Direction]map[measure.ID]V, d measure.Direction, id measure.ID, value V) {
	if table[d] == nil {
		table[d] = map[measure.ID]V{}
	}
	table[d][id] = value
}

// sample is a metric of a direction, or nil. The total of a cell that only goes in one direction is that direction's.
func (c Cell) sample(d measure.Direction, id measure.ID) *compare.Sample {
	return c.Measures[c.actual(d)][id]
}

func (c Cell) actual(d measure.Direction) measure.Direction {
	if d == measure.Total && len(c.Measures[measure.Total]) == 0 && len(c.directions) > 0 {
		return c.directions[0]
	}
	return d
}

func runInfo(run *results.Run) RunInfo {
	return RunInfo{
		ID: run.ID, Kind: run.Kind, Title: run.Title, Lab: run.Lab, Suite: run.Suite,
		Created: run.Created, Finished: run.Finished, Status: run.Status, StatusReason: run.StatusReason,
		Blocks: run.Blocks, Trials: len(run.Trials), Planned: len(run.Plan.Cells), Missing: len(run.Missing()), Seed: run.Seed, RestSeconds: run.Rest.Seconds(), FilePolicy: run.FilePolicy,
		Sandbox: run.Provenance.Sandbox, Server: run.Provenance.Server, PVEVersion: run.Provenance.PVEVersion, PVENode: run.Provenance.PVENode,
		LabctlVersion: run.Provenance.LabctlVersion, LabRunID: run.Provenance.LabRunID, Source: run.Provenance.Source,
	}
}

func failures(run *results.Run) []Failure {
	list := []Failure{}
	for _, t := range run.Counting() {
		if t.Valid() {
			continue
		}
		problem := t.Error
		if problem == "" {
			problem = "no result was recorded"
		}
		list = append(list, Failure{Target: t.Place(), Workload: t.Workload, Block: t.Block, ExitCode: t.ExitCode, Error: problem})
	}
	return list
}

func overhead(o *results.Overhead) *Overhead {
	if o == nil {
		return nil
	}
	return &Overhead{
		WallSeconds: o.Wall.Seconds(), FioSeconds: o.Fio.Seconds(), RestSeconds: o.Rest.Seconds(),
		HarnessSeconds: o.Harness().Seconds(), HarnessPercent: o.HarnessPercent(),
	}
}
