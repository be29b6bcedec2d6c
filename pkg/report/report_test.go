package report

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"labctl/pkg/internal/recordings"
	"labctl/pkg/results"
	"labctl/pkg/results/compare"
)

func TestWriteGolden(t *testing.T) {
	runs := map[string]*results.Run{
		"blog-2023-08-23": published(t, "2023-08-23"),
		"blog-2023-09-12": published(t, "2023-09-12"),
		"sandbox":         sandboxRun(),
		"nothing":         {ID: "20260102T150405Z-0000", Kind: results.KindMeasured, Status: results.StatusFailed, StatusReason: "no target was reached"},
	}
	for name, run := range runs {
		for _, format := range Formats() {
			t.Run(formatName(format, name), func(t *testing.T) {
				var buf bytes.Buffer
				if err := Write(&buf, format, run, Options{RawDir: "results/runs/" + name + "/raw"}); err != nil {
					t.Fatal(err)
				}
				golden(t, "run/"+formatName(format, name), buf.Bytes())
				if format == Text {
					noLineIsTooWide(t, buf.String())
				}
			})
		}
	}
}

func TestWriteComparisonGolden(t *testing.T) {
	a, b, sandbox := published(t, "2023-08-23"), published(t, "2023-09-12"), sandboxRun()
	renamed := sandboxRun()
	renamed.ID, renamed.Targets = "20260103T150405Z-3c4d", renamed.Targets[:2]
	for name, c := range map[string]compare.Comparison{
		"blog":    compare.Compare(compare.Selection{Run: a}, compare.Selection{Run: b}),
		"target":  compare.Compare(compare.Selection{Run: b, Target: "pve"}, compare.Selection{Run: b, Target: "2gb"}),
		"sandbox": compare.Compare(compare.Selection{Run: sandbox}, compare.Selection{Run: renamed}),
		"foreign": compare.Compare(compare.Selection{Run: a}, compare.Selection{Run: sandbox}),
	} {
		for _, format := range Formats() {
			t.Run(formatName(format, name), func(t *testing.T) {
				var buf bytes.Buffer
				if err := WriteComparison(&buf, format, c, Options{}); err != nil {
					t.Fatal(err)
				}
				golden(t, "compare/"+formatName(format, name), buf.Bytes())
				if format == Text {
					noLineIsTooWide(t, buf.String())
				}
			})
		}
	}
}

// The first columns of the CSV of the two published runs are the table they were published as.
func TestCSVOfPublishedRuns(t *testing.T) {
	want, err := recordings.File("blog/baseline.csv")
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	for i, date := range []string{"2023-08-23", "2023-09-12"} {
		var buf bytes.Buffer
		if err := Write(&buf, CSV, published(t, date), Options{}); err != nil {
			t.Fatal(err)
		}
		header, rows, _ := strings.Cut(buf.String(), "\n")
		if i == 0 {
			got.WriteString(header + "\n")
		}
		got.WriteString(rows)
	}
	if diff := cmp.Diff(string(want), cutColumns(got.String())); diff != "" {
		t.Errorf("(-published +got):\n%s", diff)
	}
}

// Colour changes nothing but colour.
func TestColor(t *testing.T) {
	var plain, color bytes.Buffer
	for buf, on := range map[*bytes.Buffer]bool{&plain: false, &color: true} {
		if err := Write(buf, Text, sandboxRun(), Options{Color: on}); err != nil {
			t.Fatal(err)
		}
	}
	if strings.Contains(plain.String(), "\x1b") {
		t.Error("plain text has escape sequences")
	}
	stripped := color.String()
	for _, sequence := range []string{bold, red, "\x1b[0m"} {
		if !strings.Contains(stripped, sequence) {
			t.Errorf("coloured text has no %q", sequence)
		}
		stripped = strings.ReplaceAll(stripped, sequence, "")
	}
	if diff := cmp.Diff(plain.String(), stripped); diff != "" {
		t.Errorf("(-plain +colour without its sequences):\n%s", diff)
	}
}

func TestJSONHasNoNulls(t *testing.T) {
	for _, run := range []*results.Run{sandboxRun(), {ID: "empty"}} {
		var buf bytes.Buffer
		if err := Write(&buf, JSON, run, Options{}); err != nil {
			t.Fatal(err)
		}
		var lists struct {
			Targets, Workloads, Failures, Notes *[]json.RawMessage
		}
		if err := json.Unmarshal(buf.Bytes(), &lists); err != nil {
			t.Fatal(err)
		}
		for name, list := range map[string]*[]json.RawMessage{"targets": lists.Targets, "workloads": lists.Workloads, "failures": lists.Failures, "notes": lists.Notes} {
			if list == nil {
				t.Errorf("run %s: %s is null, want a list", run.ID, name)
			}
		}
	}
}

func TestUnknownFormat(t *testing.T) {
	err := Write(io.Discard, "pdf", sandboxRun(), Options{})
	if want := `unknown report format "pdf"; known are text, md, csv, json`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
