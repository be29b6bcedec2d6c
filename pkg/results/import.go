package results

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"labctl/pkg/fio"
)

// importerFio is the importer of the JSON reports of fio, in Provenance.
const importerFio = "fio"

// ImporterRunPy is the importer of the result files of the blog's run.py, in Provenance. The p99 of several jobs is told
// by the blog's convention in runs that it imported (see measure.Set.Convention).
const ImporterRunPy = "run.py"

// importedTarget is the target of a report that does not say where it was measured.
const importedTarget = "imported"

// File is a file to import.
type File struct {
	Name string
	Data []byte
	// Target is where the reports of fio in it were measured; other formats say so themselves. "" is "imported".
	Target string
	// Modified is when the file was written last: reports without a time of their own get it. It may be zero.
	Modified time.Time
}

// Import is ImportFile of a name and data alone.
func (s *Store) Import(name string, data []byte) ([]Run, error) {
	return s.ImportFile(File{Name: name, Data: data})
}

// ImportFile stores the runs found in a file and returns them: an export of labctl, a file in one of the formats that the
// store knows, or JSON reports of fio. Importing the same data again changes nothing.
func (s *Store) ImportFile(file File) ([]Run, error) {
	run, err := s.importData(file)
	if err != nil {
		return nil, fmt.Errorf("importing %s: %w", file.Name, err)
	}
	return []Run{*run}, nil
}

func (s *Store) importData(file File) (*Run, error) {
	if isExport(file.Data) {
		return s.importExport(file.Data)
	}
	for _, read := range s.formats {
		if found, err := read(file); found != nil || err != nil {
			return s.importFound(file, found, err)
		}
	}
	reports, err := fioReports(file)
	return s.importFound(file, &Found{Importer: importerFio, Reports: reports}, err)
}

// Format reads the files of another program. For a file of another format it returns nil.
type Format func(file File) (*Found, error)

// Found is what is in an imported file.
type Found struct {
	Importer string // for Provenance
	Reports  []FoundReport
	// Complete adds to the run what the format tells beside the reports; nil when nothing.
	Complete func(run *Run)
}

// FoundReport is one workload that fio reported in an imported file.
type FoundReport struct {
	Target, Workload string
	Block            int
	Group            string // of those that ran at the same time
	Raw              []byte
	Report           *fio.Report
	Findings         []Finding
}

// fioReports finds the workloads in the reports of fio. A workload that was run several times counts as blocks; another
// one of the same name gets a number.
func fioReports(file File) ([]FoundReport, error) {
	reports, err := fio.ParseReports(file.Data)
	if err != nil {
		return nil, err
	}
	var found []FoundReport
	for i, report := range reports {
		parts := report.Workloads()
		for _, part := range parts {
			f := FoundReport{Target: cmp.Or(file.Target, importedTarget), Report: part, Raw: part.Raw()}
			if len(reports) == 1 && len(parts) == 1 {
				f.Raw = file.Data
			}
			if part.Together {
				f.Group = fmt.Sprintf("%d-%d", i+1, part.Jobs[0].GroupID)
			}
			if part.Timestamp.IsZero() && !file.Modified.IsZero() {
				part.Timestamp = file.Modified.UTC().Truncate(time.Second)
				f.Findings = append(f.Findings, Finding{Rule: "no-timestamp", Severity: Note, Evidence: "fio did not say when it ended; the time is that of the file"})
			}
			f.name(found)
			found = append(found, f)
		}
	}
	return found, nil
}

// name gives the workload a name and a block that no earlier one of the file has.
func (found *FoundReport) name(earlier []FoundReport) {
	job := found.Report.Jobs[0]
	base := cmp.Or(job.Name, "unnamed")
	found.Workload, found.Block = base, 1
	for n := 2; ; n++ {
		same := func(e FoundReport) bool { return e.Workload == found.Workload }
		at := slices.IndexFunc(earlier, same)
		if at < 0 {
			return
		}
		if maps.Equal(earlier[at].Report.Jobs[0].Options, job.Options) {
			for _, e := range earlier {
				if same(e) {
					found.Block++
				}
			}
			return
		}
		found.Workload = fmt.Sprintf("%s-%d", base, n)
	}
}

// importOf is the run of an imported file as far as it can be known before the reports are looked at.
func importOf(file File, importer string) Run {
	name := filepath.Base(file.Name)
	return Run{
		Kind: KindImported, Lab: strings.TrimSuffix(name, filepath.Ext(name)), Title: "Imported from " + name, Blocks: 1,
		Provenance: Provenance{Importer: importer, Source: name, SourceSHA256: hashOf(file.Data)},
	}
}

// importFound stores the reports of a file as one run, unless it is stored already.
func (s *Store) importFound(file File, found *Found, err error) (*Run, error) {
	if err != nil {
		return nil, err
	}
	run := importOf(file, found.Importer)
	trials := make([]Trial, len(found.Reports))
	for i, report := range found.Reports {
		if report.Report.Timestamp.IsZero() {
			return nil, fmt.Errorf("the report of %s on %s has no timestamp: import it as a file of its own, whose time counts then", report.Workload, report.Target)
		}
		run.Blocks = max(run.Blocks, report.Block)
		trials[i] = report.trial(i + 1)
		run.describe(report)
	}
	if found.Complete != nil {
		found.Complete(&run)
	}
	run.Created, run.Finished = trials[0].OnTarget.Start, trials[len(trials)-1].OnTarget.End
	// The same file always gets the same ID; a lone report can be imported for several targets.
	tail := sha256.Sum256([]byte(run.Provenance.SourceSHA256 + found.Reports[0].Target))
	run.ID = idOf(run.Created, tail[:2])
	return s.install(run, func(w *Writer) error {
		for i, report := range found.Reports {
			if _, err := w.Record(trials[i], Output{Role: RoleReport, Data: report.Raw}); err != nil {
				return err
			}
		}
		return w.finishAt(run.Finished, StatusComplete, "", nil)
	})
}

// trial is what a report says of its trial. fio notes when it ended; before 3.36 the start follows from whole seconds.
func (found FoundReport) trial(seq int) Trial {
	t := Trial{Seq: seq, Cell: Cell{Block: found.Block, Target: found.Target, Workload: found.Workload}, Group: found.Group, Findings: found.Findings}
	t.OnTarget.End = found.Report.Timestamp
	var elapsed time.Duration
	for _, job := range found.Report.Jobs {
		elapsed = max(elapsed, job.Elapsed)
		if start := &t.OnTarget.Start; !job.Started.IsZero() && (start.IsZero() || job.Started.Before(*start)) {
			*start = job.Started
		}
	}
	if t.OnTarget.Start.IsZero() {
		t.OnTarget.Start = t.OnTarget.End.Add(-elapsed)
	}
	t.FioElapsed = Duration(t.OnTarget.End.Sub(t.OnTarget.Start))
	return t
}

// describe adds the target and the workload of a report to the run.
func (r *Run) describe(found FoundReport) {
	if !slices.ContainsFunc(r.Targets, func(t Target) bool { return t.Name == found.Target }) {
		r.Targets = append(r.Targets, Target{Name: found.Target, Facts: map[string]string{"fio": found.Report.Version}})
	}
	if !slices.ContainsFunc(r.Workloads, func(w Workload) bool { return w.Name == found.Workload }) {
		r.Workloads = append(r.Workloads, Workload{Name: found.Workload})
	}
}

// install makes a whole run in one step: fill writes trials and ending where no reader looks yet.
// A run that was made from the same file is left as it is.
func (s *Store) install(run Run, fill func(*Writer) error) (*Run, error) {
	place := filepath.Join(s.dir, run.ID)
	if present, err := manifestOf(place, run.ID); err == nil {
		if present.Provenance.SourceSHA256 != run.Provenance.SourceSHA256 {
			return nil, fmt.Errorf("run %s is here already and has other content", run.ID)
		}
		return readRun(place, run.ID)
	}
	w, err := s.stage(run)
	if err != nil {
		return nil, err
	}
	if err := fill(w); err != nil {
		return nil, errors.Join(err, w.discard())
	}
	if err := s.publish(w); err != nil {
		return nil, err
	}
	return readRun(place, run.ID)
}
