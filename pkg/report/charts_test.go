package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"labctl/pkg/chart"
	"labctl/pkg/fio"
	"labctl/pkg/internal/recordings"
	"labctl/pkg/results"
	"labctl/pkg/results/measure"
)

func TestWriteChartsGolden(t *testing.T) {
	for name, run := range map[string]*results.Run{"blog-2023-09-12": published(t, "2023-09-12"), "sandbox": sandboxRun()} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			reported, err := WriteCharts(dir, run)
			if err != nil {
				t.Fatal(err)
			}
			var found []string
			err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
				if err != nil || entry.IsDir() {
					return err
				}
				found = append(found, path)
				data, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				golden(t, filepath.Join("charts", name, strings.TrimPrefix(path, dir)), data)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(reported)
			slices.Sort(found)
			if diff := cmp.Diff(found, reported); diff != "" {
				t.Errorf("files (-found +reported):\n%s", diff)
			}
		})
	}
}

func TestWriteChartsOfNothing(t *testing.T) {
	if _, err := WriteCharts(t.TempDir(), &results.Run{ID: "empty"}); !errors.Is(err, chart.ErrEmpty) {
		t.Errorf("got %v, want ErrEmpty", err)
	}
}

func TestChartsStayInTheirFolder(t *testing.T) {
	run := sandboxRun()
	for i := range run.Trials {
		run.Trials[i].Workload = "../../" + run.Trials[i].Workload
	}
	run.Workloads = nil
	dir := t.TempDir()
	files, err := WriteCharts(dir, run)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if rel, err := filepath.Rel(dir, f); err != nil || !filepath.IsLocal(rel) {
			t.Errorf("%s is outside of %s", f, dir)
		}
	}
	run.Workloads = []results.Workload{{Name: "a/b"}, {Name: "a:b"}}
	if _, err := WriteCharts(dir, run); err == nil || !strings.Contains(err.Error(), `"a/b" and "a:b" need the same file name`) {
		t.Errorf("got %v, want a clash of names", err)
	}
}

// Numbers in the blog's CSV files read back as what they were, and look like Python's.
func TestPythonFloat(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0.0", 77147: "77147.0", 845.6377576875: "845.6377576875", 1e15: "1000000000000000.0", 1e16: "1e+16",
		0.0001: "0.0001", 0.00001: "1e-05", 1.5e-7: "1.5e-07", -2.5: "-2.5",
	} {
		if got := pythonFloat(v); got != want {
			t.Errorf("pythonFloat(%g) = %s, want %s", v, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.Float64().Draw(t, "v")
		back, err := strconv.ParseFloat(pythonFloat(v), 64)
		if err != nil || back != v {
			t.Fatalf("%v became %s", v, pythonFloat(v))
		}
	})
}

// From the blog's raw result file come, byte for byte, the CSV files that its run.py makes of it: testdata/blog-csv was
// made by the same arithmetic and the same csv.writer in Python 3.11 on Linux.
func TestBlogCSVFromRawResults(t *testing.T) {
	data, err := recordings.File("blog/run-2023-09-12.json")
	if err != nil {
		t.Fatal(err)
	}
	var raw map[string]map[string]json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		t.Fatal(err)
	}
	run := &results.Run{ID: "raw"}
	for _, target := range []string{"pve", "2gb", "4gb", "8gb"} {
		for workload, text := range raw[target] {
			report, err := fio.ParseReport(text)
			if err != nil {
				t.Fatal(err)
			}
			run.Trials = append(run.Trials, results.Trial{
				Cell: results.Cell{Block: 1, Target: target, Workload: workload}, Measures: measure.Of(report),
			})
		}
	}
	for _, w := range NewDocument(run, Options{}).Workloads {
		var buf bytes.Buffer
		if err := writeCSV(&buf, blogRows(w), "\r\n"); err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(fmt.Sprintf("testdata/blog-csv/%s.csv", w.Name))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), buf.String()); diff != "" {
			t.Errorf("%s (-run.py +labctl):\n%s", w.Name, diff)
		}
	}
}
