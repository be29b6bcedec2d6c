package results

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"labctl/pkg/fio"
)

// The formats that Import reads; Provenance.Importer of the run names which it was.
const (
	importerFio   = "fio"    // the JSON report of one fio process
	importerRunPy = "run.py" // {target: {workload: fio report}}, as the blog's run.py writes it
)

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

// ImportFile stores the runs found in a file and returns them: an export of labctl, a result file of the blog's run.py,
// or JSON reports of fio. Importing the same data again changes nothing.
func (s *Store) ImportFile(file File) ([]Run, error) {
	run, err := s.importData(file)
	if err != nil {
		return nil, fmt.Errorf("importing %s: %w", file.Name, err)
	}
	return []Run{*run}, nil
}

func (s *Store) importData(file File) (*Run, error) {
	fields, err := objectFields(file.Data)
	switch {
	case err == nil && hasField(fields, exportField):
		return s.importExport(file.Data)
	case err == nil && !hasField(fields, "fio version"):
		reports, err := runPyReports(fields)
		if err != nil {
			return nil, err
		}
		return s.importReports(importOf(file, importerRunPy), reports)
	default: // reports of fio, maybe with talk around them
		found, err := fioReports(file)
		if err != nil {
			return nil, err
		}
		return s.importReports(importOf(file, importerFio), found)
	}
}

// foundReport is one workload that fio reported in an imported file.
type foundReport struct {
	target, workload string
	block            int
	group            string // of those that ran at the same time
	raw              []byte
	report           *fio.Report
	findings         []Finding
}

// fioReports finds the workloads in the reports of fio. A workload that was run several times counts as blocks; another
// one of the same name gets a number.
func fioReports(file File) ([]foundReport, error) {
	reports, err := fio.ParseReports(file.Data)
	if err != nil {
		return nil, err
	}
	var found []foundReport
	for i, report := range reports {
		parts := report.Workloads()
		for _, part := range parts {
			f := foundReport{target: cmp.Or(file.Target, importedTarget), report: part, raw: part.Raw()}
			if len(reports) == 1 && len(parts) == 1 {
				f.raw = file.Data
			}
			if part.Together {
				f.group = fmt.Sprintf("%d-%d", i+1, part.Jobs[0].GroupID)
			}
			if part.Timestamp.IsZero() && !file.Modified.IsZero() {
				part.Timestamp = file.Modified.UTC().Truncate(time.Second)
				f.findings = append(f.findings, Finding{Rule: "no-timestamp", Severity: Note, Evidence: "fio did not say when it ended; the time is that of the file"})
			}
			f.name(found)
			found = append(found, f)
		}
	}
	return found, nil
}

// name gives the workload a name and a block that no earlier one of the file has.
func (found *foundReport) name(earlier []foundReport) {
	job := found.report.Jobs[0]
	base := cmp.Or(job.Name, "unnamed")
	found.workload, found.block = base, 1
	for n := 2; ; n++ {
		same := func(e foundReport) bool { return e.workload == found.workload }
		at := slices.IndexFunc(earlier, same)
		if at < 0 {
			return
		}
		if maps.Equal(earlier[at].report.Jobs[0].Options, job.Options) {
			for _, e := range earlier {
				if same(e) {
					found.block++
				}
			}
			return
		}
		found.workload = fmt.Sprintf("%s-%d", base, n)
	}
}

// runPyReports finds the reports in the result file of a run.py, oldest first.
func runPyReports(targets []field) ([]foundReport, error) {
	var found []foundReport
	for _, target := range targets {
		workloads, err := objectFields(target.value)
		if err != nil {
			return nil, notAResultFile(target.name, err)
		}
		for _, workload := range workloads {
			report, err := fio.ParseReport(workload.value)
			if err != nil {
				return nil, notAResultFile(target.name+"/"+workload.name, err)
			}
			found = append(found, foundReport{target: target.name, workload: workload.name, block: 1, raw: workload.value, report: report})
		}
	}
	if len(found) == 0 {
		return nil, errors.New("no fio reports in it")
	}
	slices.SortStableFunc(found, func(a, b foundReport) int { return a.report.Timestamp.Compare(b.report.Timestamp) })
	return found, nil
}

func notAResultFile(place string, err error) error {
	return fmt.Errorf("neither an export of labctl nor a fio report, and as a file of run.py it has no fio report at %q: %w", place, err)
}

// importOf is the run of an imported file as far as it can be known before the reports are looked at.
func importOf(file File, importer string) Run {
	name := filepath.Base(file.Name)
	return Run{
		Kind: KindImported, Lab: strings.TrimSuffix(name, filepath.Ext(name)), Title: "Imported from " + name, Blocks: 1,
		Provenance: Provenance{Importer: importer, Source: name, SourceSHA256: hashOf(file.Data)},
	}
}

// importReports stores the reports as one run, unless it is stored already.
func (s *Store) importReports(run Run, reports []foundReport) (*Run, error) {
	trials := make([]Trial, len(reports))
	for i, found := range reports {
		if found.report.Timestamp.IsZero() {
			return nil, fmt.Errorf("the report of %s on %s has no timestamp: import it as a file of its own, whose time counts then", found.workload, found.target)
		}
		run.Blocks = max(run.Blocks, found.block)
		trials[i] = found.trial(i + 1)
		run.describe(found)
	}
	if !slices.ContainsFunc(run.Workloads, func(w Workload) bool { return w.CommandLine == "" }) {
		run.Suite = blogSuite
	}
	run.Created, run.Finished = trials[0].OnTarget.Start, trials[len(trials)-1].OnTarget.End
	// The same file always gets the same ID; a lone report can be imported for several targets.
	tail := sha256.Sum256([]byte(run.Provenance.SourceSHA256 + reports[0].target))
	run.ID = idOf(run.Created, tail[:2])
	return s.install(run, func(w *Writer) error {
		for i, found := range reports {
			if _, err := w.Record(trials[i], Output{Role: RoleReport, Data: found.raw}); err != nil {
				return err
			}
		}
		return w.finishAt(run.Finished, StatusComplete, "", nil)
	})
}

// trial is what a report says of its trial. fio notes when it ended; before 3.36 the start follows from whole seconds.
func (found foundReport) trial(seq int) Trial {
	t := Trial{Seq: seq, Cell: Cell{Block: found.block, Target: found.target, Workload: found.workload}, Group: found.group, Findings: found.findings}
	t.OnTarget.End = found.report.Timestamp
	var elapsed time.Duration
	for _, job := range found.report.Jobs {
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
func (r *Run) describe(found foundReport) {
	if !slices.ContainsFunc(r.Targets, func(t Target) bool { return t.Name == found.target }) {
		target := Target{Name: found.target, Facts: map[string]string{"fio": found.report.Version}}
		if r.Provenance.Importer == importerRunPy {
			target.Kind = blogTargetKind(found.target)
		}
		r.Targets = append(r.Targets, target)
	}
	if !slices.ContainsFunc(r.Workloads, func(w Workload) bool { return w.Name == found.workload }) {
		r.Workloads = append(r.Workloads, Workload{Name: found.workload, CommandLine: blogCommandLine(found.workload, found.report)})
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

// field is one member of a JSON object.
type field struct {
	name  string
	value json.RawMessage
}

func hasField(fields []field, name string) bool {
	return slices.ContainsFunc(fields, func(f field) bool { return f.name == name })
}

// objectFields are the members of a JSON object in the order of the text, which nothing may follow.
func objectFields(data []byte) ([]field, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	if open, err := decoder.Token(); err != nil || open != json.Delim('{') {
		return nil, cmp.Or(err, errors.New("not a JSON object"))
	}
	var fields []field
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		f := field{name: fmt.Sprint(name)}
		if err := decoder.Decode(&f.value); err != nil {
			return nil, err
		}
		fields = append(fields, f)
	}
	if _, err := decoder.Token(); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON object")
	}
	return fields, nil
}
