package results_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the examples in docs/results-format.md")

// example is a marked block of JSON in the documentation.
var example = regexp.MustCompile("(?s)<!-- (\\S+\\.json) -->\n```json\n(.*?)```")

// TestDocumentedFormat checks that the examples in the documentation are the files of a run.
func TestDocumentedFormat(t *testing.T) {
	s := finished(t)
	files := tree(t, filepath.Join(s.Dir(), begun().ID))
	now := load(t, s, "demo").Finished.Format(time.RFC3339Nano)
	ending := strings.Replace(files["finished.json"], now, "2026-01-02T15:11:03Z", 1)
	files["finished.json"] = regexp.MustCompile(`"sha256": "[0-9a-f]{64}",\n  "schema`).ReplaceAllString(ending, "\"sha256\": \"…\",\n  \"schema")

	path := filepath.Join("..", "..", "docs", "results-format.md")
	doc, err := os.ReadFile(path)
	check(t, err)
	seen := 0
	want := example.ReplaceAllStringFunc(string(doc), func(block string) string {
		seen++
		name := example.FindStringSubmatch(block)[1]
		if files[name] == "" {
			t.Errorf("the run has no file %s", name)
		}
		return "<!-- " + name + " -->\n```json\n" + files[name] + "```"
	})
	if seen != 4 {
		t.Errorf("%d examples in %s", seen, path)
	}
	if *update {
		check(t, os.WriteFile(path, []byte(want), 0o644))
		return
	}
	if diff := cmp.Diff(want, string(doc)); diff != "" {
		t.Errorf("%s is not what is written (-written +documented); run with -update:\n%s", path, diff)
	}
}
