package fio_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"labctl/pkg/fio"
)

// jobText is a job of fio 3.33 that wrote iops × 4 KiB for some seconds.
func jobText(name string, group int, iops, seconds int, options string) string {
	flow := func(iops int) string {
		return fmt.Sprintf(`{"io_bytes": %d, "io_kbytes": %d, "bw_bytes": %d, "bw": %d, "iops": %d.0, "runtime": %d, "total_ios": %d, "short_ios": 0, "drop_ios": 0, "clat_ns": {"min": 1000, "max": 9000, "mean": %d.0, "stddev": 1.0, "N": %d}}`,
			iops*seconds*4096, iops*seconds*4, iops*4096, iops*4, iops, 1000*seconds*min(iops, 1), iops*seconds, 5000*min(iops, 1), iops*seconds)
	}
	return fmt.Sprintf(`{"jobname": %q, "groupid": %d, "error": 0, "elapsed": %d, "job options": {%s}, "read": %s, "write": %s, "trim": %s}`,
		name, group, seconds, options, flow(0), flow(iops), flow(0))
}

// reportText is a report of jobs that ended at a time.
func reportText(ended int, jobs ...string) string {
	return fmt.Sprintf("{\"fio version\": \"fio-3.33\", \"timestamp\": %d, \"timestamp_ms\": %d, \"jobs\": [%s]}\n", ended, 1000*ended, strings.Join(jobs, ", "))
}

// told are the workloads of a file: run, name, jobs and IOPS of each.
func told(t *testing.T, data []byte) []string {
	t.Helper()
	reports, err := fio.ParseReports(data)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for i, report := range reports {
		for _, part := range report.Workloads() {
			line := fmt.Sprintf("%d %s ×%d %s", i+1, part.Jobs[0].Name, len(part.Jobs), part.Jobs[0].Write.IOPS)
			if part.Together {
				line += " together"
			}
			all = append(all, line)
			again := parse(t, part.Raw())
			if len(again.Jobs) != len(part.Jobs) || again.Jobs[0].Name != part.Jobs[0].Name || !again.Jobs[0].Write.IOPS.Equal(part.Jobs[0].Write.IOPS) || again.Talk != part.Talk || !again.Timestamp.Equal(part.Timestamp) {
				t.Errorf("the text of %s alone is read as %+v", line, again)
			}
		}
	}
	return all
}

// TestReportsOfAFile tells runs, workloads and clones apart.
func TestReportsOfAFile(t *testing.T) {
	const a, b = `"bs": "4k"`, `"bs": "8k"`
	series := func(from int) string {
		return reportText(from+1, jobText("w", 0, 100, 1, a)) + reportText(from+2, jobText("w", 0, 100, 2, a)) + reportText(from+3, jobText("w", 0, 100, 3, a))
	}
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"one":                  {reportText(1000, jobText("w", 0, 100, 9, a)), []string{"1 w ×1 100"}},
		"clones":               {reportText(1000, jobText("w", 0, 100, 9, a), jobText("w", 0, 101, 9, a)), []string{"1 w ×2 100"}},
		"one after the other":  {reportText(1000, jobText("w", 0, 100, 9, a), jobText("r", 1, 200, 9, a)), []string{"1 w ×1 100", "1 r ×1 200"}},
		"at the same time":     {reportText(1000, jobText("w", 0, 100, 9, a), jobText("r", 0, 200, 9, a)), []string{"1 w ×1 100 together", "1 r ×1 200 together"}},
		"other options":        {reportText(1000, jobText("w", 0, 100, 9, a), jobText("w", 0, 200, 9, b)), []string{"1 w ×1 100 together", "1 w ×1 200 together"}},
		"same name, later":     {reportText(1000, jobText("w", 0, 100, 9, a), jobText("w", 1, 200, 9, a)), []string{"1 w ×1 100", "1 w ×1 200"}},
		"clones and others":    {reportText(1000, jobText("w", 0, 100, 9, a), jobText("r", 1, 200, 9, a), jobText("w", 0, 101, 9, a)), []string{"1 w ×2 100", "1 r ×1 200"}},
		"appended":             {reportText(1000, jobText("w", 0, 100, 9, a)) + reportText(2000, jobText("r", 0, 200, 9, a)), []string{"1 w ×1 100", "2 r ×1 200"}},
		"appended, the same":   {reportText(1000, jobText("w", 0, 100, 9, a)) + reportText(2000, jobText("w", 0, 200, 9, a)), []string{"1 w ×1 100", "2 w ×1 200"}},
		"appended, no clock":   {reportText(0, jobText("w", 0, 100, 9, a)) + reportText(0, jobText("w", 0, 90, 9, a)), []string{"1 w ×1 100", "2 w ×1 90"}},
		"a series":             {series(1000), []string{"1 w ×1 100"}},
		"two series":           {series(1000) + series(2000), []string{"1 w ×1 100", "2 w ×1 100"}},
		"an array":             {"[" + reportText(1000, jobText("w", 0, 100, 9, a)) + "," + reportText(2000, jobText("r", 0, 200, 9, a)) + "]", []string{"1 w ×1 100", "2 r ×1 200"}},
		"words before":         {"fio: a note\n" + reportText(1000, jobText("w", 0, 100, 9, a)) + "fio: another\n" + reportText(2000, jobText("r", 0, 200, 9, a)), []string{"1 w ×1 100", "2 r ×1 200"}},
		"words, several parts": {"fio: a note\n" + reportText(1000, jobText("w", 0, 100, 9, a), jobText("r", 1, 200, 9, a)), []string{"1 w ×1 100", "1 r ×1 200"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, told(t, []byte(test.text))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if len(test.want) > 1 && strings.HasPrefix(test.want[len(test.want)-1], "2") {
				if _, err := fio.ParseReport([]byte(test.text)); !errors.Is(err, fio.ErrSeveralRuns) {
					t.Errorf("as the report of one run: %v", err)
				}
			}
		})
	}
}

// TestLongSeries has more reports than a search for them would try.
func TestLongSeries(t *testing.T) {
	var text strings.Builder
	for second := 1; second <= 200; second++ {
		text.WriteString(reportText(1000+second, jobText("w", 0, 100, second, "")))
	}
	r := parse(t, []byte(text.String()))
	if !r.Jobs[0].Write.IOBytes.Equal(fio.Known(200 * 100 * 4096)) {
		t.Errorf("%v bytes", r.Jobs[0].Write.IOBytes)
	}
}

// TestEncodings reads a report as Windows programs save it.
func TestEncodings(t *testing.T) {
	text := reportText(1000, jobText("Größe", 0, 100, 9, ""))
	wide := func(order binary.AppendByteOrder, mark string) []byte {
		var out []byte
		for _, unit := range utf16.Encode([]rune(mark + text)) {
			out = order.AppendUint16(out, unit)
		}
		return out
	}
	for name, data := range map[string][]byte{
		"UTF-8 with mark": []byte("\ufeff" + text), "UTF-16LE": wide(binary.LittleEndian, "\ufeff"), "UTF-16BE": wide(binary.BigEndian, "\ufeff"),
		"UTF-16LE, no mark": wide(binary.LittleEndian, ""), "UTF-16BE, no mark": wide(binary.BigEndian, ""),
	} {
		if r := parse(t, data); r.Jobs[0].Name != "Größe" || r.Talk != "" || !r.Jobs[0].Write.Active() {
			t.Errorf("%s: %q, talk %q", name, r.Jobs[0].Name, r.Talk)
		}
	}
	if _, err := fio.ParseReport(wide(binary.LittleEndian, "\ufeff")[:101]); err == nil || !strings.Contains(err.Error(), "UTF-16") {
		t.Errorf("half a character: %v", err)
	}
}

// TestVerifyPhase keeps the reading back apart, where the job says that it is one.
func TestVerifyPhase(t *testing.T) {
	text := func(options string) []byte {
		job := jobText("v", 0, 100, 9, options)
		write := job[strings.Index(job, `"write": `)+9 : strings.Index(job, `, "trim"`)]
		read := job[strings.Index(job, `"read": `)+8 : strings.Index(job, `, "write"`)]
		return []byte(reportText(1000, strings.Replace(job, read, write, 1)))
	}
	for options, apart := range map[string]bool{
		`"rw": "randwrite", "verify": "crc32c"`: true, `"rw": "write:8k", "verify": "md5"`: true, `"readwrite": "write", "verify": "sha1"`: true,
		`"rw": "randrw", "verify": "crc32c"`: false, `"rw": "randwrite"`: false, `"rw": "write", "verify": "0"`: false, `"verify": "md5", "rw": "read"`: false,
	} {
		if j := parse(t, text(options)).Jobs[0]; j.Verify.Active() != apart || j.Read.Active() == apart || !j.Write.Active() {
			t.Errorf("%s: read %v, verify %v", options, j.Read.IOPS, j.Verify.IOPS)
		}
	}
}

// TestUnified reads the directions that fio was asked to report as one.
func TestUnified(t *testing.T) {
	job := jobText("m", 0, 100, 9, "")
	write := job[strings.Index(job, `"write": `)+9 : strings.Index(job, `, "trim"`)]
	only := `{"jobname": "m", "groupid": 0, "error": 0, "mixed": ` + write + `}`
	if j := parse(t, []byte(reportText(1000, only))).Jobs[0]; !j.Mixed.IOPS.Equal(fio.Known(100)) || j.Write.IOPS.IsKnown() || j.Read.IOBytes.IsKnown() {
		t.Errorf("mixed: %+v", j)
	}
	both := strings.Replace(job, `"trim"`, `"mixed": `+write+`, "trim"`, 1)
	if j := parse(t, []byte(reportText(1000, both))).Jobs[0]; j.Mixed.Active() || !j.Write.IOPS.Equal(fio.Known(100)) {
		t.Errorf("both: %+v", j)
	}
}

// TestPercentilesOfTotalLatency moves what fio before 3.18 prints at the wrong place.
func TestPercentilesOfTotalLatency(t *testing.T) {
	text := strings.Replace(string(read(t, "versions/fio-3.17.json")), `"bs": "4k"`, `"lat_percentiles": "1", "clat_percentiles": "0"`, 1)
	w := parse(t, []byte(text)).Jobs[0].Write
	if _, ok := w.Clat.Percentile(99); ok {
		t.Errorf("clat %+v", w.Clat)
	}
	if p99, _ := w.Lat.Percentile(99); p99 != 900e3 {
		t.Errorf("lat %+v", w.Lat)
	}
}

// TestImpossibleNumbers names the number, and reads none of the report.
func TestImpossibleNumbers(t *testing.T) {
	good := string(read(t, "versions/fio-3.36.json"))
	write := strings.Index(good, `"write"`)
	for _, test := range []struct{ old, key, value string }{
		{`"iops": 500.0`, "write.iops", "-500"}, {`"iops": 500.0`, "write.iops", "1e308"}, {`"iops": 500.0`, "write.iops", "nan"}, {`"iops": 500.0`, "write.iops", "1e400"},
		{`"io_bytes": 4096000`, "write.io_bytes", "-1"}, {`"io_bytes": 4096000`, "write.io_bytes", "-9223372036854775808"},
		{`"runtime": 2000`, "write.runtime", "-2000"}, {`"total_ios": 1000`, "write.total_ios", "inf"}, {`"mean": 250000.0`, "write.clat_ns.mean", "-nan"},
		{`"99.000000": 900000`, "write.clat_ns.percentile", "-3"}, {`"N": 1000`, "write.slat_ns.N", "-7"},
	} {
		key, _, _ := strings.Cut(test.old, ": ")
		refused(t, good[:write]+strings.Replace(good[write:], test.old, key+": "+test.value, 1), test.key, test.value)
	}
	refused(t, strings.Replace(good, `"error": 0`, `"error": -5`, 1), "error", "-5")
}

// TestWrappedDiskCounters passes over counters of the kernel that wrapped around: the numbers of fio are right.
func TestWrappedDiskCounters(t *testing.T) {
	good := string(read(t, "fio-3.39-direct.json"))
	text := strings.Replace(good, `"write_sectors": 83752`, `"write_sectors": -5`, 1)
	if text == good {
		t.Fatal("no such counter")
	}
	if d := parse(t, []byte(text)).DiskUtil[0]; d.WriteSectors.IsKnown() || !d.WriteIOs.IsKnown() {
		t.Errorf("disk %+v", d)
	}
}

// TestContradictions refuses what says one thing twice and differently, with both numbers.
func TestContradictions(t *testing.T) {
	good := string(read(t, "versions/fio-3.36.json"))
	old := string(read(t, "versions/fio-2.1.10.json"))
	for name, test := range map[string]struct{ text, first, second string }{
		"KiB for bytes":      {strings.Replace(strings.Replace(good, `"io_bytes": 4096000`, `"io_bytes": 4000`, 1), `"io_kbytes": 4000`, `"io_kbytes": 3`, 1), "2000", "2.048e+06"},
		"bandwidth":          {strings.Replace(good, `"bw_bytes": 2048000`, `"bw_bytes": 20480000`, 1), "2.048e+06", "2.048e+07"},
		"IOPS":               {strings.Replace(good, `"iops": 500.0`, `"iops": 5000.0`, 1), "500", "5000"},
		"run time in s":      {strings.Replace(good, `"runtime": 2000`, `"runtime": 2`, 1), "2.048e+09", "2.048e+06"},
		"version made newer": {strings.Replace(old, "fio-2.1.10", "fio-3.33", 1), "2000", "2.048e+06"},
	} {
		_, err := fio.ParseReport([]byte(test.text))
		var wrong *fio.ContradictionError
		if !errors.As(err, &wrong) || !strings.HasSuffix(wrong.First, " "+test.first) || !strings.HasSuffix(wrong.Second, " "+test.second) || wrong.Job != "w" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestShortRuns have no rate: fio divides by whole milliseconds, and prints 0.
func TestShortRuns(t *testing.T) {
	text := strings.NewReplacer(`"runtime": 2000`, `"runtime": 0`, `"iops": 500.0`, `"iops": 0.0`, `"bw_bytes": 2048000`, `"bw_bytes": 0`, `"bw": 2000`, `"bw": 0`).Replace(string(read(t, "versions/fio-3.36.json")))
	w := parse(t, []byte(text)).Jobs[0].Write
	if w.IOPS.IsKnown() || w.BytesPerSec.IsKnown() || !w.IOBytes.Equal(fio.Known(4096000)) {
		t.Errorf("%v IOPS, %v B/s of %v bytes", w.IOPS, w.BytesPerSec, w.IOBytes)
	}
}

// TestBounds refuses what is larger than any report, before much is made of it.
func TestBounds(t *testing.T) {
	job := `{"jobname":"w"}`
	head := `{"fio version":"fio-3.33","jobs":[`
	for name, test := range map[string]struct{ text, want string }{
		"bytes":   {head + job + "]}" + strings.Repeat(" ", fio.MaxReportBytes), "bytes, more than"},
		"jobs":    {head + strings.Repeat(job+",", 5000) + job + "]}", "more than 4096 items"},
		"bins":    {head + `{"write":{"clat_ns":{"bins":{` + strings.Repeat(`"1":1,`, 5000) + `"1":1}}}}]}`, "more than 4096 items"},
		"options": {head + `{"job options":{` + strings.Repeat(`"a":"1",`, 5000) + `"b":"1"}}]}`, "more than 4096 items"},
		"depth":   {head + `{"extra":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + "}]}", "nest"},
		"reports": {strings.Repeat(reportText(1, jobText("w", 0, 1, 1, "")), 4097), "more than 4096 reports"},
	} {
		if _, err := fio.ParseReports([]byte(test.text)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

func FuzzParseReports(f *testing.F) {
	f.Add([]byte(reportText(1000, jobText("w", 0, 100, 9, `"bs": "4k"`), jobText("r", 1, 200, 9, ""))))
	f.Add([]byte("note\n" + reportText(1, jobText("w", 0, 100, 1, "")) + reportText(2, jobText("w", 0, 100, 2, ""))))
	f.Add([]byte("[" + reportText(1, jobText("w", 0, 100, 1, "")) + ",{}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		reports, err := fio.ParseReports(data)
		if (len(reports) == 0) == (err == nil) {
			t.Fatalf("%d reports with error %v", len(reports), err)
		}
		for _, report := range reports {
			jobs := 0
			for _, part := range report.Workloads() {
				jobs += len(part.Jobs)
				again, err := fio.ParseReport(part.Raw())
				if err != nil || len(again.Jobs) != len(part.Jobs) {
					t.Fatalf("a part that was read cannot be read alone: %v\n%q", err, part.Raw())
				}
			}
			if jobs != len(report.Jobs) {
				t.Fatalf("%d of %d jobs in the workloads", jobs, len(report.Jobs))
			}
			for _, job := range report.Jobs {
				if _, err := json.Marshal(job); err != nil {
					t.Fatalf("what was read cannot be written: %v", err)
				}
			}
		}
	})
}
