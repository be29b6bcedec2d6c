package baseline

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"labctl/pkg/fio"
	"labctl/pkg/results"
)

// RunPy reads a result file of the blog's run.py: {target: {workload: fio report}}. Any other JSON object than a report of
// fio is taken for one.
func RunPy(file results.File) (*results.Found, error) {
	targets, err := objectFields(file.Data)
	if err != nil || slices.ContainsFunc(targets, func(f field) bool { return f.name == "fio version" }) {
		return nil, nil //nolint:nilnil // another format, see results.Format
	}
	reports, err := runPyReports(targets)
	if err != nil {
		return nil, err
	}
	return &results.Found{Importer: results.ImporterRunPy, Reports: reports, Complete: func(run *results.Run) { complete(run, reports) }}, nil
}

// runPyReports finds the reports, oldest first.
func runPyReports(targets []field) ([]results.FoundReport, error) {
	var found []results.FoundReport
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
			found = append(found, results.FoundReport{Target: target.name, Workload: workload.name, Block: 1, Raw: workload.value, Report: report})
		}
	}
	if len(found) == 0 {
		return nil, errors.New("no fio reports in it")
	}
	slices.SortStableFunc(found, func(a, b results.FoundReport) int { return a.Report.Timestamp.Compare(b.Report.Timestamp) })
	return found, nil
}

func notAResultFile(place string, err error) error {
	return fmt.Errorf("neither an export of labctl nor a fio report, and as a file of run.py it has no fio report at %q: %w", place, err)
}

// complete adds what the blog tells of its targets and workloads.
func complete(run *results.Run, reports []results.FoundReport) {
	for i := range run.Targets {
		run.Targets[i].Kind = blogTargetKind(run.Targets[i].Name)
	}
	known := 0
	for i := range run.Workloads {
		w := &run.Workloads[i]
		first := slices.IndexFunc(reports, func(r results.FoundReport) bool { return r.Workload == w.Name })
		if w.CommandLine = blogCommandLine(w.Name, reports[first].Report); w.CommandLine != "" {
			known++
		}
	}
	if known == len(run.Workloads) {
		run.Suite = blogSuite
	}
}

// field is one member of a JSON object.
type field struct {
	name  string
	value json.RawMessage
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
