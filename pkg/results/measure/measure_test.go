package measure

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"labctl/pkg/fio"
)

// latency has two samples, at ns and at 9 × ns.
func latency(ns int64) fio.Latency {
	return fio.Latency{
		N: fio.Known(2), MinNs: fio.Known(float64(ns)), MaxNs: fio.Known(float64(9 * ns)), MeanNs: fio.Known(float64(5 * ns)), Bins: []fio.Bin{{Ns: ns, Count: 1}, {Ns: 9 * ns, Count: 1}},
		Percentiles: []fio.Percentile{{Percent: 50, Ns: ns}, {Percent: 99, Ns: 9 * ns}, {Percent: 99.9, Ns: 9 * ns}},
	}
}

// twoJobs is a report of a job that wrote and synced, and of a group of four that was ten times as slow.
func twoJobs() *fio.Report {
	job := func(ns int64, clones time.Duration) fio.JobResult {
		return fio.JobResult{
			Runtime: clones * 2 * time.Second, UsrCPU: fio.Known(10), SysCPU: fio.Known(30), ContextSwitches: fio.Known(7), MajorFaults: fio.Known(2),
			Write: fio.Flow{
				IOPS: fio.Known(100), BytesPerSec: fio.Known(409600), IOBytes: fio.Known(8192), TotalIOs: fio.Known(2),
				ShortIOs: fio.Known(1), DropIOs: fio.Known(3), Runtime: 2 * time.Second,
				Clat: latency(ns), Slat: latency(2 * ns),
			},
			Sync:         fio.Sync{Lat: latency(100 * ns)},
			IODepthLevel: fio.Depths{{Depth: 1, Percent: 60}, {Depth: 2, Percent: 40}, {Depth: 4}, {Depth: 8}, {Depth: 16}, {Depth: 32}, {Depth: 64}},
		}
	}
	return &fio.Report{Version: "fio-3.33", Jobs: []fio.JobResult{job(1000, 1), job(10000, 4)}}
}

// TestTable has a number of every metric.
func TestTable(t *testing.T) {
	want := map[ID]float64{
		"iops": 200, "bandwidth": 819200, "io_bytes": 16384, "ios": 4, "short_ios": 2, "drop_ios": 6,
		"clat_mean": 27500, "clat_p50": 9000, "clat_p90": 90000, "clat_p95": 90000, "clat_p99": 90000, "clat_p99_9": 90000, "clat_p99_99": 90000,
		"clat_max": 90000, "slat_mean": 55000, "slat_max": 180000,
		"syncs": 4, "sync_mean": 2750000, "sync_p99": 9000000, "sync_p99_9": 9000000, "sync_max": 9000000,
		"cpu_usr": 50, "cpu_sys": 150, "cpu_per_io": 1e9, "context_switches": 14, "major_faults": 4,
		"depth_1": 60, "depth_2": 40, "depth_4": 0, "depth_8": 0, "depth_16": 0, "depth_32": 0, "depth_64": 0,
		"runtime": 2e9,
	}
	set := Of(twoJobs())
	seen := map[ID]bool{}
	for _, metric := range All() {
		d := Write
		if metric.Process {
			d = Process
		}
		number, tested := want[metric.ID]
		if got := set.Get(d, metric.ID); tested != got.IsKnown() || tested && !got.Equal(fio.Known(number)) {
			t.Errorf("%s is %v, want %v", metric.ID, got, number)
		}
		if seen[metric.ID] || metric.Name == "" || metric.Unit.Per <= 0 || metric.Better == "" {
			t.Errorf("%s stands twice in the table or lacks something", metric.ID)
		}
		seen[metric.ID] = true
	}
	for id := range want {
		if !seen[id] {
			t.Errorf("%s is not in the table", id)
		}
	}
}

// A percentile of several jobs is either that of their histograms, or unknown with the range of the jobs' own.
func TestPercentilesOfSeveralJobs(t *testing.T) {
	report := twoJobs()
	for i := range report.Jobs {
		report.Jobs[i].Write.Clat.Bins = nil
	}
	set := Of(report)
	if got := set.Get(Write, ClatP99); got.IsKnown() {
		t.Errorf("p99 without histograms is %v", got)
	}
	why := set.WhyUnknown(Write, ClatP99)
	if !why.JobsMin.Equal(fio.Known(9000)) || !why.JobsMean.Equal(fio.Known(49500)) || !why.JobsMax.Equal(fio.Known(90000)) || why.Why == "" {
		t.Errorf("p99 of the jobs: %+v", why)
	}
	if why := set.WhyUnknown(Write, "clat_p95"); why.JobsMin.IsKnown() || why.Why != "fio was not asked for this percentile" {
		t.Errorf("p95, which was not asked for: %+v", why)
	}
	if set.Get(Write, ClatP99Convention).IsKnown() {
		t.Error("a mean of percentiles was measured")
	}
}

// What fio did not measure is unknown, with a reason.
func TestAbsentIsNotZero(t *testing.T) {
	set := Of(&fio.Report{Jobs: []fio.JobResult{{Read: fio.Flow{IOPS: fio.Known(5), TotalIOs: fio.Known(10), IOBytes: fio.Known(40960), Runtime: time.Second}}}})
	for id, why := range map[ID]string{ClatMean: notMeasured, ClatP99: notMeasured, "clat_max": notMeasured, "slat_mean": notMeasured} {
		if got := set.Get(Read, id); got.IsKnown() || set.WhyUnknown(Read, id).Why != why {
			t.Errorf("%s is %v: %+v", id, got, set.WhyUnknown(Read, id))
		}
	}
	if _, there := set.Values[Process]["depth_1"]; there {
		t.Error("a depth that fio did not report is there")
	}
	for _, id := range []ID{SyncMean, "sync_p99", "cpu_per_io"} {
		if got := set.Get(Process, id); got.IsKnown() || set.WhyUnknown(Process, id).Why == "" {
			t.Errorf("%s is %v: %+v", id, got, set.WhyUnknown(Process, id))
		}
	}
	if set.Has(Write) || set.Get(Write, IOPS).IsKnown() || !set.Has(Read) || !set.Get(Total, IOPS).Equal(fio.Known(5)) {
		t.Errorf("directions %v", set.Directions())
	}
	text, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	var back Set
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(set, &back); diff != "" {
		t.Errorf("(-written +read):\n%s", diff)
	}
}

// Reads and writes together are their sum; their percentiles come from the histograms of both.
func TestTotal(t *testing.T) {
	flow := func(iops float64, ns int64) fio.Flow {
		return fio.Flow{IOPS: fio.Known(iops), TotalIOs: fio.Known(2), IOBytes: fio.Known(1), Clat: latency(ns)}
	}
	set := Of(&fio.Report{Jobs: []fio.JobResult{{Read: flow(10, 100), Write: flow(20, 1000)}}})
	for id, want := range map[ID]float64{IOPS: 30, ClatMean: 2750, "clat_p50": 900, ClatP99: 9000} {
		if got := set.Get(Total, id); !got.Equal(fio.Known(want)) {
			t.Errorf("total %s is %v, want %v", id, got, want)
		}
	}
}

// What was read back after the writing is there, and no part of the total. Unified I/O is a direction of its own.
func TestVerifyAndMixed(t *testing.T) {
	flow := func(iops float64) fio.Flow {
		return fio.Flow{IOPS: fio.Known(iops), TotalIOs: fio.Known(2), IOBytes: fio.Known(1), Clat: latency(100)}
	}
	set := Of(&fio.Report{Jobs: []fio.JobResult{{Write: flow(10), Verify: flow(500)}}})
	if !set.Get(Total, IOPS).Equal(fio.Known(10)) || !set.Get(Verify, IOPS).Equal(fio.Known(500)) || !set.Has(Verify) || set.Has(Read) || len(set.Directions()) != 1 {
		t.Errorf("total %v, verify %v, directions %v", set.Get(Total, IOPS), set.Get(Verify, IOPS), set.Directions())
	}
	set = Of(&fio.Report{Jobs: []fio.JobResult{{Mixed: flow(30)}}})
	if !set.Get(Total, IOPS).Equal(fio.Known(30)) || !set.Has(Mixed) {
		t.Errorf("total %v, directions %v", set.Get(Total, IOPS), set.Directions())
	}
}

// What fio before 3.18 does not say does not make the rest unknown, and is not zero.
func TestOldFio(t *testing.T) {
	flow := func(ns float64, ios fio.Value) fio.Flow {
		return fio.Flow{IOPS: fio.Known(5), IOBytes: fio.Known(4096), TotalIOs: ios, Clat: fio.Latency{MeanNs: fio.Known(ns)}}
	}
	two := func(a, b fio.Value) *Set {
		return Of(&fio.Report{Jobs: []fio.JobResult{{Read: flow(100, a)}, {Read: flow(400, b)}}})
	}
	if got := two(fio.Known(2), fio.Known(1)).Get(Read, ClatMean); !got.Equal(fio.Known(200)) {
		t.Errorf("the mean of three I/Os is %v", got)
	}
	set := two(fio.Value{}, fio.Value{})
	if got := set.Get(Read, ClatMean); got.IsKnown() || set.WhyUnknown(Read, ClatMean).Why == "" {
		t.Errorf("the mean of unknown numbers of I/Os is %v", got)
	}
	if got, there := set.Values[Read]["ios"]; there {
		t.Errorf("%v I/Os, which this fio does not report", got)
	}
}

// Percentiles that a job asked for are shown as asked.
func TestAskedPercentiles(t *testing.T) {
	report := twoJobs()
	report.Jobs = report.Jobs[:1]
	report.Jobs[0].Write.Clat.Percentiles = []fio.Percentile{{Percent: 10, Ns: 5}, {Percent: 99.999, Ns: 6}}
	if extra := Of(report).Extra(); len(extra) != 0 {
		t.Errorf("nobody asked for %v", extra)
	}
	report.Jobs[0].Options = map[string]string{"percentile_list": "10:99.999"}
	set := Of(report)
	var names []string
	for _, m := range set.Extra() {
		names = append(names, string(m.ID)+" "+m.Name+" "+set.Get(Write, m.ID).String())
	}
	if diff := cmp.Diff([]string{"clat_p10 clat p10 5", "clat_p99_999 clat p99.999 6"}, names); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, id := range []ID{"clat_p101", "clat_p", "clat_p9.9", "clat_p99_90", "latency"} {
		if _, ok := ByID(id); ok {
			t.Errorf("%s is a metric", id)
		}
	}
}
