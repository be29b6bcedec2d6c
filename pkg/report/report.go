// Package report shows runs and comparisons: as text for a terminal, as Markdown, CSV and JSON, and as charts.
//
// Text, Markdown and JSON are three views of one Document, so that they cannot disagree. CSV has one line per trial
// and nothing derived from several. The formats are described in docs/report-format.md.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"labctl/pkg/internal/visible"
	"labctl/pkg/results"
	"labctl/pkg/results/compare"
)

// SchemaVersion is the version of the JSON documents this package writes.
const SchemaVersion = 2

// Format is a way to write a report.
type Format string

// The formats of Write and WriteComparison.
const (
	Text     Format = "text"
	Markdown Format = "md"
	CSV      Format = "csv"
	JSON     Format = "json"
)

// Formats lists what Write and WriteComparison can write.
func Formats() []Format { return []Format{Text, Markdown, CSV, JSON} }

// Options change how a report looks, not what it says.
type Options struct {
	Color  bool   // ANSI colours in text
	RawDir string // where the run's raw fio output is, to be told to the reader; empty = not told
}

// Write writes one run.
func Write(w io.Writer, format Format, run *results.Run, o Options) error {
	return write(w, format, view{
		text:     func() string { return runPage(visible.Of(NewDocument(run, o))).text(o.Color) },
		markdown: func() string { return runPage(visible.Of(NewDocument(run, o))).markdown() },
		csv:      func() [][]string { return trialRows(run) },
		json:     func() any { return NewDocument(run, o) },
	})
}

// WriteComparison writes two runs or targets side by side.
func WriteComparison(w io.Writer, format Format, c compare.Comparison, o Options) error {
	return write(w, format, view{
		text:     func() string { return comparisonPage(visible.Of(c)).text(o.Color) },
		markdown: func() string { return comparisonPage(visible.Of(c)).markdown() },
		csv:      func() [][]string { return comparisonRows(c) },
		json: func() any {
			return struct {
				SchemaVersion int `json:"schema_version"`
				compare.Comparison
			}{SchemaVersion, c}
		},
	})
}

// view is what one thing looks like in every format.
type view struct {
	text, markdown func() string
	csv            func() [][]string
	json           func() any
}

func write(w io.Writer, format Format, v view) error {
	var err error
	switch format {
	case Text:
		err = visible.WritePainted(w, v.text())
	case Markdown:
		_, err = io.WriteString(w, v.markdown())
	case CSV:
		err = writeCSV(w, v.csv(), "\n")
	case JSON:
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		err = enc.Encode(v.json())
	default:
		return fmt.Errorf("unknown report format %q; known are %s", format, known())
	}
	if err != nil {
		return fmt.Errorf("writing the report as %s: %w", format, err)
	}
	return nil
}

func known() string {
	var names []string
	for _, f := range Formats() {
		names = append(names, string(f))
	}
	return strings.Join(names, ", ")
}
