package results_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"labctl/pkg/results"
)

func TestDurationRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := results.Duration(rapid.Int64().Draw(t, "ns"))
		text, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		var back results.Duration
		if err := json.Unmarshal(text, &back); err != nil || back != d {
			t.Fatalf("%s came back as %s: %v", text, back, err)
		}
	})
	if text, err := json.Marshal(results.Duration(90500 * time.Millisecond)); err != nil || string(text) != `"1m30.5s"` {
		t.Errorf("JSON is %s, %v", text, err)
	}
	var d results.Duration
	for _, text := range []string{`30`, `"30"`, `"half a minute"`} {
		if err := json.Unmarshal([]byte(text), &d); err == nil {
			t.Errorf("%s was read as %s", text, d)
		}
	}
}

func TestOverhead(t *testing.T) {
	o := *overhead()
	if o.Harness() != results.Duration(5*time.Second) || o.HarnessPercent() < 9.4 || o.HarnessPercent() > 9.5 {
		t.Errorf("harness %s, %.2f %%", o.Harness(), o.HarnessPercent())
	}
	if (results.Overhead{Wall: 1}).HarnessPercent() != 0 {
		t.Error("a share of nothing")
	}
}

// TestStoreKeepsTrials stores arbitrary trials and reads them back.
func TestStoreKeepsTrials(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := open(t)
		w := create(t, s, results.Run{})
		name := rapid.StringMatching(`.{1,20}`)
		want := results.Trial{
			Cell: results.Cell{
				Block: rapid.IntRange(1, 50).Draw(rt, "block"), Target: name.Draw(rt, "target"),
				Layer: rapid.OneOf(rapid.Just(""), name).Draw(rt, "layer"), Workload: name.Draw(rt, "workload"),
			},
			Attempt: rapid.IntRange(1, 9).Draw(rt, "attempt"), Seq: rapid.IntRange(1, 100000).Draw(rt, "seq"),
			OnTarget: results.Window{Start: time.Unix(rapid.Int64Range(0, 1<<34).Draw(rt, "started"), 5).UTC()},
			Wall:     results.Duration(rapid.Int64().Draw(rt, "wall")),
			Args:     rapid.SliceOfN(name, 1, 5).Draw(rt, "args"), Error: "given", ExitCode: rapid.Int().Draw(rt, "exit"),
		}
		add(t, w, want, nil, nil)
		check(t, w.Close())
		if diff := cmp.Diff([]results.Trial{want}, load(t, s, w.ID()).Trials); diff != "" {
			rt.Fatalf("trial (-stored +loaded):\n%s", diff)
		}
	})
}
