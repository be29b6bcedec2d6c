package results

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// Import stores the runs found in data and returns them: an export of labctl, a result file of the blog's run.py,
// or the JSON report of one fio process. name is the file's name. Importing the same data again changes nothing.
func (s *Store) Import(name string, data []byte) ([]Run, error) {
	return s.ImportTarget(name, importedTarget, data)
}

// ImportTarget is Import for the report of one fio process that was measured on the target of this name.
// The other formats say themselves what was measured where, and target is not used.
func (s *Store) ImportTarget(name, target string, data []byte) ([]Run, error) {
	run, err := s.importData(filepath.Base(name), cmp.Or(target, importedTarget), data)
	if err != nil {
		return nil, fmt.Errorf("importing %s: %w", name, err)
	}
	return []Run{*run}, nil
}

func (s *Store) importData(name, target string, data []byte) (*Run, error) {
	fields, err := objectFields(data)
	switch {
	case err == nil && hasField(fields, exportField):
		return s.importExport(data)
	case err == nil && !hasField(fields, "fio version"):
		reports, err := runPyReports(fields)
		if err != nil {
			return nil, err
		}
		return s.importReports(importOf(name, importerRunPy, data), reports)
	default: // fio's report, maybe with talk around it
		report, err := fio.ParseReport(data)
		if err != nil {
			return nil, err
		}
		found := foundReport{target: target, workload: cmp.Or(report.Jobs[0].Name, "unnamed"), raw: data, report: report}
		return s.importReports(importOf(name, importerFio, data), []foundReport{found})
	}
}

// foundReport is one fio report of an imported file.
type foundReport struct {
	target, workload string
	raw              []byte
	report           *fio.Report
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
			found = append(found, foundReport{target.name, workload.name, workload.value, report})
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
func importOf(name, importer string, data []byte) Run {
	return Run{
		Kind: KindImported, Lab: strings.TrimSuffix(name, filepath.Ext(name)), Title: "Imported from " + name, Blocks: 1,
		Provenance: Provenance{Importer: importer, Source: name, SourceSHA256: hashOf(data)},
	}
}

// importReports stores the reports as one run, unless it is stored already.
func (s *Store) importReports(run Run, reports []foundReport) (*Run, error) {
	trials := make([]Trial, len(reports))
	for i, found := range reports {
		if found.report.Timestamp.IsZero() {
			return nil, fmt.Errorf("the report of %s on %s has no timestamp", found.workload, found.target)
		}
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
	t := Trial{Seq: seq, Cell: Cell{Block: 1, Target: found.target, Workload: found.workload}}
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
