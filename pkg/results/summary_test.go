package results_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"labctl/pkg/fio"
	"labctl/pkg/results"
)

func TestSummarizeMixedJobs(t *testing.T) {
	latency := func(n int64, mean float64, p99 int64) fio.Latency {
		l := fio.Latency{N: n, MeanNs: mean}
		if p99 > 0 {
			l.Percentiles = []fio.Percentile{{Percent: 50, Ns: 1}, {Percent: 99, Ns: p99}}
		}
		return l
	}
	got := results.Summarize(&fio.Report{Version: "fio-3.39", Jobs: []fio.JobResult{
		{Read: fio.Flow{IOPS: 10, BytesPerSec: 100, IOBytes: 1000, TotalIOs: 1, Runtime: 2 * time.Second, Clat: latency(1, 100, 200)}},
		{Write: fio.Flow{IOPS: 20, BytesPerSec: 200, IOBytes: 2000, TotalIOs: 2, Runtime: 3 * time.Second, Clat: latency(2, 50, 0)}},
		{Read: fio.Flow{IOPS: 30, BytesPerSec: 300, IOBytes: 3000, TotalIOs: 3, Runtime: time.Second, Clat: latency(3, 200, 400)}},
	}})
	want := results.Summary{
		FioVersion: "fio-3.39", Jobs: 3, RuntimeMax: results.Duration(3 * time.Second),
		Read:  results.Flow{IOPS: 40, BytesPerSec: 400, IOBytes: 4000, TotalIOs: 4, ClatMeanNs: 175, ClatP99MeanNs: 300},
		Write: results.Flow{IOPS: 20, BytesPerSec: 200, IOBytes: 2000, TotalIOs: 2, ClatMeanNs: 50},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	if !got.Read.Active() || (results.Flow{}).Active() {
		t.Error("Active is wrong")
	}
}

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
			Seq: rapid.IntRange(1, 100000).Draw(rt, "seq"), Block: rapid.IntRange(1, 50).Draw(rt, "block"),
			Target: name.Draw(rt, "target"), Workload: name.Draw(rt, "workload"),
			Started: time.Unix(rapid.Int64Range(0, 1<<34).Draw(rt, "started"), 5).UTC(),
			Wall:    results.Duration(rapid.Int64().Draw(rt, "wall")),
			Args:    rapid.SliceOfN(name, 1, 5).Draw(rt, "args"), Error: "given", ExitCode: rapid.Int().Draw(rt, "exit"),
		}
		add(t, w, want, nil, nil)
		check(t, w.Close())
		if diff := cmp.Diff([]results.Trial{want}, load(t, s, w.ID()).Trials); diff != "" {
			rt.Fatalf("trial (-stored +loaded):\n%s", diff)
		}
	})
}
