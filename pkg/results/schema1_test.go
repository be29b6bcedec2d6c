package results_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"labctl/pkg/results"
	"labctl/pkg/results/measure"
)

// Runs of labctl before schema 2, as it exported them, stay readable for ever: they are restored bit for bit, are found
// whole, and are exported again as they were.
func TestSchema1(t *testing.T) {
	paths, err := filepath.Glob("../../testdata/results/schema-1/*.json")
	check(t, err)
	if len(paths) != 2 {
		t.Fatalf("%d exports", len(paths))
	}
	for _, path := range paths {
		id := strings.TrimSuffix(filepath.Base(path), ".json")
		doc, err := os.ReadFile(path)
		check(t, err)
		s := open(t)
		_, err = s.Import("old.json", doc)
		check(t, err)
		run := load(t, s, id)
		if run.SchemaVersion != 1 || run.Status != results.StatusComplete || run.Overhead == nil || len(run.Provenance.Spec) == 0 {
			t.Errorf("%s: %+v", id, run)
		}
		v, err := s.Verify(id)
		if err != nil || len(v.Damage) > 0 || v.Trials != len(run.Trials) {
			t.Errorf("%s: Verify: %+v, %v", id, v, err)
		}
		if again := exported(t, s, id); string(again) != string(doc) {
			t.Errorf("%s: the export is another one", id)
		}
		headers, err := s.List()
		if err != nil || headers[0].Trials != len(run.Trials) || headers[0].Problem != "" {
			t.Errorf("%s: List: %+v, %v", id, headers, err)
		}
		if _, _, err := s.Resume(id); err == nil {
			t.Errorf("%s: an old run was resumed", id)
		}
		edit(t, filepath.Join(s.Dir(), id), "trials/*pve*b1*", `"iops": `, `"iops": 1`)
		if v, err := s.Verify(id); err != nil || len(v.Damage) == 0 {
			t.Errorf("%s: Verify of an edited number: %+v, %v", id, v, err)
		}
	}
}

// A zero of schema 1 that meant "not reported" is unknown, and a mean of percentiles is not called a percentile.
func TestSchema1KnowsNoZeros(t *testing.T) {
	doc, err := os.ReadFile("../../testdata/results/schema-1/20260102T150405Z-1a2b.json")
	check(t, err)
	runs, err := open(t).Import("old.json", doc)
	check(t, err)
	good, bad := runs[0].Trials[0], runs[0].Trials[1]
	if good.Measures.Has(measure.Read) || good.Measures.Get(measure.Write, measure.ClatP99).IsKnown() || !good.Measures.Get(measure.Write, measure.ClatP99Convention).IsKnown() {
		t.Errorf("measures %+v", good.Measures)
	}
	if bad.Valid() || bad.Measures != nil || bad.Artifact(results.RoleStderr) == nil {
		t.Errorf("failed trial %+v", bad)
	}
}
