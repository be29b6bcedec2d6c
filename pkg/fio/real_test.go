package fio_test

import (
	"path/filepath"
	"strings"
	"testing"

	"labctl/pkg/fio"
)

// The files in testdata/real were written by fios of these versions, built from their sources at the tags.

// TestRealClones reads two clones that wrote 1 MiB each in blocks of 4 KiB, with a fsync after every 16.
func TestRealClones(t *testing.T) {
	paths, err := filepath.Glob("testdata/real/clones-*.json")
	if err != nil || len(paths) != 11 {
		t.Fatalf("%d files, %v", len(paths), err)
	}
	for _, path := range paths {
		version := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), "clones-"), ".json")
		r := parse(t, read(t, "real/clones-"+version+".json"))
		if r.Version != "fio-"+version || len(r.Warnings) > 0 || len(r.Jobs) != 2 || len(r.Workloads()) != 1 || r.Failed() != nil {
			t.Errorf("%s: version %s, %d jobs in %d workloads, %q", version, r.Version, len(r.Jobs), len(r.Workloads()), r.Warnings)
		}
		for _, j := range r.Jobs {
			w := j.Write
			if !w.IOBytes.Equal(fio.Known(1<<20)) || j.Read.Active() || w.Runtime <= 0 {
				t.Errorf("%s: wrote %v bytes in %s", version, w.IOBytes, w.Runtime)
			}
			if rate := w.IOPS.Or(0) * 4096 / w.BytesPerSec.Or(1); rate < 0.99 || rate > 1.01 {
				t.Errorf("%s: %v IOPS at %v bytes per second", version, w.IOPS, w.BytesPerSec)
			}
			// Between a microsecond and a tenth of a second: a slip of the unit would show.
			if mean := w.Clat.MeanNs.Or(0); mean < 1e3 || mean > 1e8 || w.Clat.MinNs.Or(0) > mean || w.Clat.MaxNs.Or(0) < mean {
				t.Errorf("%s: clat %+v", version, w.Clat)
			}
			if modern := strings.HasPrefix(version, "3."); modern != (len(w.Clat.Bins) > 0) {
				t.Errorf("%s: %d bins", version, len(w.Clat.Bins))
			} else if samples := samplesOf(w.Clat); modern && samples != 256 {
				t.Errorf("%s: %d samples in the histogram", version, samples)
			}
			if syncs := j.Sync.Lat.MeanNs.Or(0); version >= "3.1" && version != "3.1" && syncs < 1e4 {
				t.Errorf("%s: sync %+v", version, j.Sync)
			}
		}
	}
}

// samplesOf counts the samples of a histogram.
func samplesOf(l fio.Latency) (samples int64) {
	for _, bin := range l.Bins {
		samples += bin.Count
	}
	return samples
}

// TestRealSeries reads what --status-interval=1 printed: the last report counts.
func TestRealSeries(t *testing.T) {
	for version, bytes := range map[string]float64{"2.1.10": 8024 << 10, "2.16": 7980 << 10, "3.19": 8192000} {
		r := parse(t, read(t, "real/series-"+version+".json"))
		if got := r.Jobs[0].Read; !got.IOBytes.Equal(fio.Known(bytes)) || got.IOPS.Or(0) < 480 || got.IOPS.Or(0) > 510 {
			t.Errorf("%s: %v bytes, %v IOPS", version, got.IOBytes, got.IOPS)
		}
	}
}

// TestRealShapes reads unified directions, a verification, two jobs after another, and no latencies.
func TestRealShapes(t *testing.T) {
	for _, version := range []string{"2.1.10", "3.36"} {
		if j := parse(t, read(t, "real/mixed-"+version+".json")).Jobs[0]; !j.Mixed.IOBytes.Equal(fio.Known(1<<20)) || j.Read.IOBytes.IsKnown() || !j.Mixed.Clat.MeanNs.IsKnown() {
			t.Errorf("%s: mixed %+v", version, j.Mixed)
		}
	}
	if j := parse(t, read(t, "real/verify-3.16.json")).Jobs[0]; !j.Write.IOBytes.Equal(fio.Known(1<<20)) || !j.Verify.IOBytes.Equal(fio.Known(1<<20)) || j.Read.Active() {
		t.Errorf("write %v, verify %v, read %v", j.Write.IOBytes, j.Verify.IOBytes, j.Read.IOBytes)
	}
	parts := parse(t, read(t, "real/two-3.5.json")).Workloads()
	if len(parts) != 2 || parts[0].Together || parts[0].Jobs[0].Name != "one" || !parts[1].Jobs[0].Read.Active() {
		t.Errorf("%d workloads", len(parts))
	}
	if j := parse(t, read(t, "real/reduced-3.1.json")).Jobs[0]; j.Read.Clat.MeanNs.IsKnown() || j.Read.Clat.MaxNs.IsKnown() || !j.Read.IOPS.IsKnown() {
		t.Errorf("gtod_reduce: %+v", j.Read)
	}
}
