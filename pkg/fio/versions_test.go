package fio_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"labctl/pkg/fio"
)

// The files in testdata/versions all tell the same, each as its fio writes it (add_ddir_status_json in stat.c at that
// tag): 1000 writes of 4 KiB in 2 s that took 90, 250 and 2000 µs (least, mean, most), and from fio 3.4 on 250 fsyncs.
func TestVersions(t *testing.T) {
	paths, err := filepath.Glob("testdata/versions/fio-*.json")
	if err != nil || len(paths) < 14 {
		t.Fatalf("%d files, %v", len(paths), err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		t.Run(name, func(t *testing.T) {
			r := parse(t, read(t, filepath.Join("versions", name+".json")))
			j := r.Jobs[0]
			if r.Version != name || len(r.Warnings) != 0 || j.Read.Active() || j.Trim.Active() || !j.Write.Active() {
				t.Errorf("version %s, warnings %q, read %v", r.Version, r.Warnings, j.Read)
			}
			for what, got := range map[string][2]fio.Value{
				"bytes":     {j.Write.IOBytes, fio.Known(4096000)},
				"bandwidth": {j.Write.BytesPerSec, fio.Known(2048000)},
				"IOPS":      {j.Write.IOPS, fio.Known(500)},
				"clat min":  {j.Write.Clat.MinNs, fio.Known(90e3)},
				"clat mean": {j.Write.Clat.MeanNs, fio.Known(250e3)},
				"clat max":  {j.Write.Clat.MaxNs, fio.Known(2000e3)},
				"slat mean": {j.Write.Slat.MeanNs, fio.Known(5e3)},
				"lat mean":  {j.Write.Lat.MeanNs, fio.Known(255e3)},
				"bw mean":   {j.Write.BWSamples.Mean, fio.Known(2048000)},
				"usr":       {j.UsrCPU, fio.Known(1.5)},
				"switches":  {j.ContextSwitches, fio.Known(1234)},
				"read IOPS": {j.Read.IOPS, fio.Known(0)},
			} {
				if !got[0].Equal(got[1]) {
					t.Errorf("%s is %v, want %v", what, got[0], got[1])
				}
			}
			if p99, ok := j.Write.Clat.Percentile(99); !ok || p99 != 900e3 || len(j.Write.Clat.Percentiles) != 2 || j.Write.Runtime != 2*time.Second {
				t.Errorf("p99 is %d of %v, run time %s", p99, j.Write.Clat.Percentiles, j.Write.Runtime)
			}
			if j.Read.Clat.MeanNs.IsKnown() || j.Read.Clat.Percentiles != nil || j.Read.BWSamples != nil {
				t.Errorf("a latency of nothing is %+v", j.Read.Clat)
			}
		})
	}
}

// TestVersionsLack has what each fio does not say: it is unknown, and not zero.
func TestVersionsLack(t *testing.T) {
	known := func(v fio.Value) bool { return v.IsKnown() }
	for name, test := range map[string]struct {
		has   func(*fio.Report) bool
		since string // the first of the files whose fio says it
	}{
		"timestamp":    {func(r *fio.Report) bool { return !r.Timestamp.IsZero() }, "2.2.10"},
		"options":      {func(r *fio.Report) bool { return r.Jobs[0].Options != nil }, "2.16"},
		"elapsed":      {func(r *fio.Report) bool { return r.Jobs[0].Elapsed > 0 }, "2.2.10"},
		"I/Os":         {func(r *fio.Report) bool { return known(r.Jobs[0].Write.TotalIOs) && known(r.Jobs[0].Write.ShortIOs) }, "2.2.10"},
		"bins":         {func(r *fio.Report) bool { return len(r.Jobs[0].Write.Clat.Bins) == 3 }, "2.16"},
		"samples":      {func(r *fio.Report) bool { return r.Jobs[0].Write.IOPSSamples != nil }, "3.0"},
		"syncs":        {func(r *fio.Report) bool { return known(r.Jobs[0].Sync.Lat.MeanNs) && known(r.Jobs[0].Sync.Lat.MaxNs) }, "3.7"},
		"count":        {func(r *fio.Report) bool { return known(r.Jobs[0].Write.Clat.N) && known(r.Jobs[0].Sync.Lat.N) }, "3.18"},
		"job run time": {func(r *fio.Report) bool { return r.Jobs[0].Runtime > 0 }, "3.17"},
		"start":        {func(r *fio.Report) bool { return !r.Jobs[0].Started.IsZero() }, "3.36"},
	} {
		since := false
		for _, version := range strings.Fields("2.0.14 2.1.10 2.2.10 2.16 2.21 3.0 3.1 3.2 3.7 3.17 3.18 3.29 3.36 3.42") {
			since = since || version == test.since
			if has := test.has(parse(t, read(t, "versions/fio-"+version+".json"))); has != since {
				t.Errorf("fio %s has %s: %t, want %t", version, name, has, since)
			}
		}
	}
}

// TestUntriedVersions reads what nobody has tried, and says so.
func TestUntriedVersions(t *testing.T) {
	newest := string(read(t, "versions/fio-3.42.json"))
	for version, want := range map[string]string{
		"fio-3.42": "", "fio-3.42-7-g1a2b3c": "", "3.36": "", "fio-3.43": "fio-3.43 was not tried", "fio-4.0": "fio-4.0 was not tried", "fio-1.59": "fio-1.59 was not tried",
		"mine": `"mine" is none of fio`,
	} {
		r := parse(t, []byte(strings.Replace(newest, "fio-3.42", version, 1)))
		if said := strings.Join(r.Warnings, ""); !strings.Contains(said, want) || (want == "") != (said == "") {
			t.Errorf("%s: %q, want %q", version, said, want)
		}
	}
	// A build of git between 2.20 and 2.21 has bytes already: io_kbytes tells.
	r := parse(t, []byte(strings.Replace(string(read(t, "versions/fio-2.21.json")), "fio-2.21", "fio-2.20-15-g1a2b", 1)))
	if !r.Jobs[0].Write.IOBytes.Equal(fio.Known(4096000)) {
		t.Errorf("%v bytes", r.Jobs[0].Write.IOBytes)
	}
}
