package report

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"labctl/pkg/results"
)

// oldColumns is how many columns of the CSV there were before schema 2.
const oldColumns = 14

// The numbers of old runs, as the labctl that measured them wrote them as CSV, are told as they were.
func TestNumbersOfSchema1(t *testing.T) {
	exports, err := filepath.Glob("../../testdata/results/schema-1/*.json")
	if err != nil || len(exports) != 2 {
		t.Fatalf("%d exports, %v", len(exports), err)
	}
	for _, path := range exports {
		doc, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		store, err := results.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		runs, err := store.Import("old.json", doc)
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if err := Write(&got, CSV, &runs[0], Options{}); err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(strings.TrimSuffix(path, ".json") + ".csv")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), cutColumns(got.String())); diff != "" {
			t.Errorf("%s (-then +now):\n%s", path, diff)
		}
	}
}

// cutColumns keeps the first columns of every line.
func cutColumns(csv string) string {
	var out strings.Builder
	for line := range strings.Lines(csv) {
		cells := strings.Split(strings.TrimSuffix(line, "\n"), ",")
		out.WriteString(strings.Join(cells[:min(oldColumns, len(cells))], ",") + "\n")
	}
	return out.String()
}
