package report

import (
	"time"

	"labctl/pkg/results"
	"labctl/pkg/results/compare"
	"labctl/pkg/results/measure"
)

// Document is a run as a reader wants it: per workload and target the medians over blocks. It is the JSON report.
// Units are in the names; a sample that is null was not measured.
type Document struct {
	SchemaVersion int              `json:"schemaVersion"`
	Warning       string           `json:"warning,omitempty"` // what must be read before any number
	Run           RunInfo          `json:"run"`
	Targets       []results.Target `json:"targets"`
	Workloads     []Workload       `json:"workloads"`
	Failures      []Failure        `json:"failures"`
	Overhead      *Overhead        `json:"overhead"` // null when it is not known
	Notes         []string         `json:"notes"`
	RawDir        string           `json:"rawDir,omitempty"`
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
	StatusReason  string         `json:"statusReason,omitempty"`
	Blocks        int            `json:"blocks"`
	Trials        int            `json:"trials"`
	Seed          uint64         `json:"seed,omitempty"`
	RestSeconds   float64        `json:"restSeconds"`
	FilePolicy    string         `json:"filePolicy,omitempty"`
	Sandbox       string         `json:"sandbox,omitempty"` // "" on a real Proxmox VE
	PVEVersion    string         `json:"pveVersion,omitempty"`
	PVENode       string         `json:"pveNode,omitempty"`
	LabctlVersion string         `json:"labctlVersion,omitempty"`
	LabRunID      string         `json:"labRunId,omitempty"`
	Source        string         `json:"source,omitempty"`
}

// Workload is one workload on every target.
type Workload struct {
	Name          string `json:"name"`
	CommandLine   string `json:"commandLine,omitempty"`
	compare.Shape `json:"shape"`
	Cells         []Cell        `json:"cells"`
	BestVM        *compare.Best `json:"bestVm"` // null when there is no host to compare with
}

// Cell is one workload on one target.
type Cell struct {
	Target   string          `json:"target"`
	N        int             `json:"n"`      // trials with valid numbers
	Failed   int             `json:"failed"` // trials without
	Jobs     int             `json:"jobs"`   // fio jobs that the totals are over
	Headline *compare.Sample `json:"headline"`
	Missing  string          `json:"missing,omitempty"` // why there is no headline: "not run", "failed" or "no I/O"
	Read     *Flow           `json:"read"`              // null when nothing was read
	Write    *Flow           `json:"write"`             // null when nothing was written
}

// Flow is one direction of a cell.
type Flow struct {
	Total      Rates          `json:"total"`
	PerJob     *Rates         `json:"perJob"` // mean over the jobs; null when there is one job
	ClatMeanUs compare.Sample `json:"clatMeanUs"`
	ClatP99Us  compare.Sample `json:"clatP99Us"` // of several jobs the mean of their own percentiles
}

// Rates are what scales with the number of jobs.
type Rates struct {
	IOPS      compare.Sample `json:"iops"`
	MiBPerSec compare.Sample `json:"mibPerSec"`
	IOMiB     compare.Sample `json:"ioMiB"`
}

// Failure is a trial without valid numbers.
type Failure struct {
	Target   string `json:"target"`
	Workload string `json:"workload"`
	Block    int    `json:"block"`
	ExitCode int    `json:"exitCode"`
	Error    string `json:"error"`
}

// Overhead is where the time of the run went, in seconds.
type Overhead struct {
	WallSeconds    float64 `json:"wallSeconds"`
	FioSeconds     float64 `json:"fioSeconds"`
	RestSeconds    float64 `json:"restSeconds"`
	HarnessSeconds float64 `json:"harnessSeconds"` // neither fio nor rest
	HarnessPercent float64 `json:"harnessPercent"` // of fio and rest
}

// NewDocument derives the report of a run.
func NewDocument(run *results.Run, o Options) Document {
	table := compare.Tabulate(run)
	d := Document{
		SchemaVersion: SchemaVersion,
		Warning:       compare.SandboxWarning(run),
		Run:           runInfo(run),
		Targets:       append([]results.Target{}, table.Targets...),
		Workloads:     []Workload{},
		Failures:      failures(run),
		Overhead:      overhead(run.Overhead),
	}
	if run.Kind != results.KindPublished { // of those there are numbers only
		d.RawDir = o.RawDir
	}
	for _, shape := range table.Workloads {
		w := Workload{Name: shape.Name, CommandLine: shape.CommandLine, Shape: shape.Shape, BestVM: table.Best(shape.Name, shape.Shape)}
		for _, target := range table.Targets {
			w.Cells = append(w.Cells, newCell(target.Place(), table.Cell(target.Place(), shape.Name), shape.Shape))
		}
		d.Workloads = append(d.Workloads, w)
	}
	d.Notes = notes(run, d)
	return d
}

func newCell(target string, trials compare.Cell, shape compare.Shape) Cell {
	c := Cell{Target: target, Failed: len(trials.Failed()), Jobs: trials.Jobs()}
	c.N = len(trials.Trials) - c.Failed
	c.Read, c.Write = newFlow(trials, measure.Read), newFlow(trials, measure.Write)
	if s, ok := trials.Sample(shape.Metric, shape.Direction); ok {
		c.Headline = &s
	} else {
		c.Missing = trials.Missing()
	}
	return c
}

func newFlow(trials compare.Cell, d measure.Direction) *Flow {
	sample := func(id measure.ID) compare.Sample {
		s, _ := trials.Sample(id, d)
		return s
	}
	if sample(measure.IOPS).N == 0 {
		return nil
	}
	f := &Flow{
		Total:      Rates{IOPS: sample(measure.IOPS), MiBPerSec: sample(measure.Bandwidth), IOMiB: sample(measure.IOBytes)},
		ClatMeanUs: sample(measure.ClatMean),
		ClatP99Us:  sample(measure.ClatP99),
	}
	if f.ClatP99Us.N == 0 {
		f.ClatP99Us = sample(measure.ClatP99Convention)
	}
	if jobs := float64(trials.Jobs()); jobs > 1 {
		f.PerJob = &Rates{
			IOPS:      f.Total.IOPS.Divide(jobs),
			MiBPerSec: f.Total.MiBPerSec.Divide(jobs),
			IOMiB:     f.Total.IOMiB.Divide(jobs),
		}
	}
	return f
}

func runInfo(run *results.Run) RunInfo {
	return RunInfo{
		ID: run.ID, Kind: run.Kind, Title: run.Title, Lab: run.Lab, Suite: run.Suite,
		Created: run.Created, Finished: run.Finished, Status: run.Status, StatusReason: run.StatusReason,
		Blocks: run.Blocks, Trials: len(run.Trials), Seed: run.Seed, RestSeconds: run.Rest.Seconds(), FilePolicy: run.FilePolicy,
		Sandbox: run.Provenance.Sandbox, PVEVersion: run.Provenance.PVEVersion, PVENode: run.Provenance.PVENode,
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
