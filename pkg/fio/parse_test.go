package fio_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"labctl/pkg/fio"
	"labctl/pkg/internal/recordings"
)

func TestParseReport(t *testing.T) {
	r := parse(t, read(t, "fio-3.33-buffered.json"))
	if r.Version != "fio-3.33" || !r.Timestamp.Equal(time.UnixMilli(1795342249072)) {
		t.Errorf("version %q at %v", r.Version, r.Timestamp)
	}
	if len(r.Jobs) != 1 || r.Talk != "" || r.NotNumbers != 0 || r.GlobalOptions != nil || r.Failed() != nil {
		t.Fatalf("unexpected report %+v", r)
	}
	j := r.Jobs[0]
	if j.Name != "random-write" || j.Elapsed != 11*time.Second || j.Options["bs"] != "4k" || !j.Started.IsZero() {
		t.Errorf("job %q elapsed %v options %v started %v", j.Name, j.Elapsed, j.Options, j.Started)
	}
	if _, has := j.Options["time_based"]; has {
		t.Error("fio 3.33 is known to leave flags out")
	}
	w := j.Write
	if !w.Active() || w.IOPS.Or(0) == 0 || w.TotalIOs != w.Clat.N || w.Runtime < 10*time.Second {
		t.Errorf("write flow %+v", w)
	}
	if p99, ok := w.Clat.Percentile(99); !ok || float64(p99) < w.Clat.MeanNs.Or(0) {
		t.Errorf("p99 = %d, %v", p99, ok)
	}
	if _, ok := w.Clat.Percentile(42); ok {
		t.Error("a percentile that was not reported was found")
	}
	if bw, iops := w.BWSamples, w.IOPSSamples; !bw.Mean.Equal(fio.Known(401186.947368*1024)) || !iops.Mean.Equal(fio.Known(100296.736842)) || !bw.Samples.Equal(fio.Known(19)) || iops.Min.Or(0) > iops.Mean.Or(0) || iops.Max.Or(0) < iops.Mean.Or(0) {
		t.Errorf("samples %+v B/s, %+v IOPS of 4 KiB", bw, iops)
	}
	if depth := j.IODepthLevel.AtLeast(1); depth < 99 {
		t.Errorf("%.1f %% of the I/O at a depth of 1 or more", depth)
	}
	if d := r.DiskUtil[0]; d.Name != "vda" || d.WriteSectors.IsKnown() || !d.WriteIOs.Equal(fio.Known(24177)) || d.WriteTicks != 62097*time.Millisecond {
		t.Errorf("disk %+v", d)
	}
}

func TestParseReportOfNewerFio(t *testing.T) {
	r := parse(t, read(t, "fio-3.39-direct.json"))
	j := r.Jobs[0]
	if _, has := j.Options["time_based"]; !has {
		t.Error("fio 3.39 is known to report flags with an empty value")
	}
	if j.Started.IsZero() || j.Started.After(r.Timestamp) {
		t.Errorf("started %v, ended %v", j.Started, r.Timestamp)
	}
	if d := r.DiskUtil[0]; !d.WriteSectors.Equal(fio.Known(83752)) {
		t.Errorf("disk %+v", d)
	}
	shares, sum := j.LatencyShares, 0.0
	for _, share := range shares {
		sum += share.Percent
	}
	if last := shares[len(shares)-1]; last.Below != 0 || shares[0].Below != 2*time.Nanosecond || sum < 95 || sum > 105 {
		t.Errorf("latency shares sum up to %.1f %%: %v", sum, shares)
	}
}

// TestParseReportExtras reads what the captured reports do not have: json+ bins, syncs, steady state, global options.
func TestParseReportExtras(t *testing.T) {
	r := parse(t, read(t, "extras.json"))
	if diff := cmp.Diff(map[string]string{"direct": "1", "time_based": ""}, r.GlobalOptions); diff != "" {
		t.Errorf("global options (-want +got):\n%s", diff)
	}
	j := r.Jobs[0]
	if n, ok := j.Sync.Lat.Percentile(99); !j.Sync.Lat.N.Equal(fio.Known(1200)) || n != 987654 || !ok {
		t.Errorf("sync %+v", j.Sync)
	}
	if diff := cmp.Diff([]fio.Bin{{Ns: 9024, Count: 1}, {Ns: 10112, Count: 1198}, {Ns: 99840, Count: 1}}, j.Write.Clat.Bins); diff != "" {
		t.Errorf("bins (-want +got):\n%s", diff)
	}
	want := &fio.SteadyState{
		Criterion: "iops_slope:0.300000%", Duration: 3 * time.Second, Attained: true, Measured: "0.120000%",
		MaxDeviation: fio.Known(1.5), Slope: fio.Known(-0.12), BytesPerSec: []float64{4096000, 4100096, 4091904}, IOPS: []float64{1000, 1001, 999},
		MeanBytesPerSec: fio.Known(4096000), MeanIOPS: fio.Known(1000),
	}
	if diff := cmp.Diff(want, j.SteadyState); diff != "" {
		t.Errorf("steady state (-want +got):\n%s", diff)
	}
	if j.Write.Clat.MinNs.IsKnown() || !j.Write.IOBytes.Equal(fio.Known(4915200)) || j.Read.IOPS.IsKnown() || !j.Write.TotalIOs.Equal(fio.Known(1200)) {
		t.Errorf("odd numbers were read as %+v", j.Write)
	}
}

func TestTalk(t *testing.T) {
	body := string(read(t, "fio-3.33-buffered.json"))
	const (
		note = "note: both iodepth >= 1 and synchronous I/O engine are selected, queue depth will be capped at 1"
		warn = "fio: this platform {does not} support \"process\" shared mutexes"
	)
	middle := strings.Index(body, `      "read" :`)
	for name, test := range map[string]struct{ output, talk string }{
		"before":         {note + "\n" + warn + "\n" + body, note + "\n" + warn},
		"after":          {body + "\n" + warn + "\n", warn},
		"both":           {note + "\n" + body + "\n\n" + warn, note + "\n" + warn},
		"inside":         {body[:middle] + warn + "\n" + body[middle:], warn},
		"inside, after":  {body[:middle] + warn + "\n" + body[middle:] + note, warn + "\n" + note},
		"status reports": {body + note + "\n" + body, note},
		"other objects":  {"{\"a\": 1} {}\n{ nothing\n" + body, "{\"a\": 1} {}\n{ nothing"},
		"windows":        {"a\r\n" + strings.ReplaceAll(body, "\n", "\r\n"), "a"},
	} {
		r := parse(t, []byte(test.output))
		if r.Talk != test.talk {
			t.Errorf("%s: talk %q, want %q", name, r.Talk, test.talk)
		}
		if r.Version != "fio-3.33" || !r.Jobs[0].Write.Active() || len(r.DiskUtil) != 1 {
			t.Errorf("%s: report was damaged: %s", name, r.Version)
		}
	}
}

// TestNotNumbers has nan in a statistic, which is of nothing then, and in a number that counts.
func TestNotNumbers(t *testing.T) {
	body := string(read(t, "fio-3.39-direct.json"))
	for _, word := range []string{"nan", "-nan", "inf", "-inf", "NaN", "Infinity", "-Infinity"} {
		r := parse(t, []byte(strings.Replace(body, `"stddev": 0.0`, `"stddev": `+word, 1)))
		if r.Talk != "" || !r.Jobs[0].Write.IOPS.IsKnown() {
			t.Errorf("%s: talk %q, write %v IOPS", word, r.Talk, r.Jobs[0].Write.IOPS)
		}
		refused(t, strings.Replace(body, `"iops": 0.0`, `"iops": `+word, 1), "read.iops", word)
	}
	if r := parse(t, []byte(strings.Replace(body, `"jobname": "d"`, `"jobname": "nan \" inf"`, 1))); r.Jobs[0].Name != `nan " inf` {
		t.Errorf("a name was changed to %q", r.Jobs[0].Name)
	}
}

// refused wants an error that names the number and its place.
func refused(t *testing.T, report, key, value string) {
	t.Helper()
	_, err := fio.ParseReport([]byte(report))
	var wrong *fio.ValueError
	if !errors.As(err, &wrong) || wrong.Key != key || wrong.Value != value || !strings.Contains(err.Error(), value) {
		t.Errorf("%s of %s gives %v", value, key, err)
	}
}

func TestTruncated(t *testing.T) {
	body := string(read(t, "fio-3.33-buffered.json"))
	for _, test := range []struct {
		output string
		start  int64
		path   string
	}{
		{"{", 0, "its outermost object"},
		{"{\n  \"fio ver", 0, "its outermost object"},
		{body[:strings.Index(body, `"write"`)], 0, "jobs[0]"},
		{body[:strings.Index(body, `"99.900000"`)], 0, "jobs[0].write.clat_ns.percentile"},
		{body[:strings.Index(body, `"write_ticks"`)+15], 0, "disk_util[0].write_ticks"},
		{"warning\n" + body[:len(body)-3], 8, "its outermost object"},
		{body[:strings.Index(body, `"write"`)] + "\nfio: terminating on signal 15\n", 0, "jobs[0]"},
	} {
		_, err := fio.ParseReport([]byte(test.output))
		var cut *fio.TruncatedError
		if !errors.As(err, &cut) || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d bytes: %v, want a TruncatedError", len(test.output), err)
			continue
		}
		if cut.Bytes != int64(len(test.output)) || cut.JSONStart != test.start || cut.Path != test.path {
			t.Errorf("%d bytes: %v; want start %d, path %q", len(test.output), err, test.start, test.path)
		}
	}
}

// TestTruncatedAnywhere cuts a report at every byte: none may pass for whole, none may be called anything else.
func TestTruncatedAnywhere(t *testing.T) {
	body := strings.TrimSpace(string(read(t, "extras.json")))
	for n := 1; n < len(body); n++ {
		_, err := fio.ParseReport([]byte(body[:n]))
		var cut *fio.TruncatedError
		if !errors.As(err, &cut) {
			t.Fatalf("cut after %d bytes: %v", n, err)
		}
	}
}

func TestParseReportErrors(t *testing.T) {
	body := string(read(t, "fio-3.33-buffered.json"))
	at := strings.Index(body, `"elapsed"`)
	for _, test := range []struct {
		name, output, want string
		kind               error
	}{
		{"nothing", "", "0 bytes", fio.ErrNoReport},
		{"talk only", "fio: unrecognized option '--rww=write'\n", "unrecognized option", fio.ErrNoReport},
		{"other JSON", `{"hello": {"world": [1]}}`, "no fio JSON report", fio.ErrNoReport},
		{"broken", body[:at] + "]" + body[at:], fmt.Sprintf("at byte %d", at+1), nil},
		{"no jobs", `{"fio version": "fio-3.33", "jobs": []}`, `no "jobs"`, nil},
		{"client/server", `{"fio version": "fio-3.33", "client_stats": []}`, "client/server", nil},
		{"word for number", `{"fio version": "fio-3.33", "jobs": [{"error": "no"}]}`, "is not a number", nil},
		{"array for object", `{"fio version": "fio-3.33", "jobs": [[]]}`, "reading fio report", nil},
	} {
		_, err := fio.ParseReport([]byte(test.output))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want an error with %q", test.name, err, test.want)
		}
		if test.kind != nil && !errors.Is(err, test.kind) {
			t.Errorf("%s: %v is not %v", test.name, err, test.kind)
		}
	}
}

func TestFailed(t *testing.T) {
	body := string(read(t, "fio-3.33-buffered.json"))
	line := "fio: io_u error on file random-write.0.0: No space left on device: write offset=4096, buflen=4096"
	r := parse(t, []byte(line+"\n"+strings.Replace(body, `"error" : 0`, `"error" : 28`, 1)))
	var failed *fio.JobError
	if err := r.Failed(); !errors.As(err, &failed) || failed.Job != "random-write" || failed.Errno != 28 {
		t.Fatalf("Failed() = %v", err)
	}
	if !strings.Contains(failed.Error(), "no space left on device") || !strings.Contains(failed.Error(), line) {
		t.Errorf("the error does not say why: %v", failed)
	}
}

func TestReferenceReports(t *testing.T) {
	reports := captured(t, "fio/*.json")
	if len(reports) < 20 {
		t.Fatalf("only %d reports found", len(reports))
	}
	for path, data := range reports {
		r := parse(t, data)
		for _, j := range r.Jobs {
			if !j.Write.Active() || j.Write.Clat.N != j.Write.TotalIOs || len(j.Write.Clat.Percentiles) == 0 {
				t.Errorf("%s: job %+v", path, j.Write)
			}
		}
	}
}

// captured returns the files of the repository's testdata that match.
func captured(t *testing.T, pattern string) map[string][]byte {
	t.Helper()
	folder, err := recordings.Captured(".")
	if err != nil {
		t.Fatal(err)
	}
	names, err := folder.List(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("no %s: %v", pattern, err)
	}
	files := map[string][]byte{}
	for _, name := range names {
		if files[name], err = folder.Read(name); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func FuzzParseReport(f *testing.F) {
	data, err := os.ReadFile(filepath.Join("testdata", "extras.json")) // the captured ones are too long to be mutated well
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(data[:len(data)/2])
	f.Add(append([]byte("fio: {warning\n"), data...))
	f.Add([]byte(`{"fio version":"x","jobs":[{"iodepth_level":{">=64":nan,"1e300":1e300}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := fio.ParseReport(data)
		if (r == nil) == (err == nil) {
			t.Fatalf("report %v with error %v", r, err)
		}
		if err != nil && err.Error() == "" {
			t.Fatal("an error without a text")
		}
		if err == nil && len(r.Jobs) == 0 {
			t.Fatal("a report without jobs")
		}
	})
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func parse(t *testing.T, data []byte) *fio.Report {
	t.Helper()
	r, err := fio.ParseReport(data)
	if err != nil {
		t.Fatalf("parsing %d bytes: %v", len(data), err)
	}
	return r
}
