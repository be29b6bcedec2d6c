package fio_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"labctl/pkg/fio"
)

const jobFileText = `; run one section per process
[global]
ioengine=io_uring
filename=${DEV}
time_based

; durable writes
; second line
[sync4k-q1]
rw=randwrite
bs=4k

[prefill]
rw=write
`

func TestJobFileRoundTrip(t *testing.T) {
	file, err := fio.ParseJobFile([]byte(jobFileText))
	if err != nil {
		t.Fatal(err)
	}
	want := fio.JobFile{
		Comments: []string{" run one section per process"},
		Global:   job("ioengine=io_uring", "filename=${DEV}", "time_based").Options,
		Sections: []fio.Section{
			{Name: "sync4k-q1", Comments: []string{" durable writes", " second line"}, Options: job("rw=randwrite", "bs=4k").Options},
			{Name: "prefill", Options: job("rw=write").Options},
		},
	}
	if diff := cmp.Diff(want, file); diff != "" {
		t.Errorf("parsed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(jobFileText, written(t, file)); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
}

func TestJobOfSection(t *testing.T) {
	file, err := fio.ParseJobFile([]byte(jobFileText))
	if err != nil {
		t.Fatal(err)
	}
	got, ok := file.Job("sync4k-q1")
	want := job("name=sync4k-q1", "ioengine=io_uring", "filename=${DEV}", "time_based", "rw=randwrite", "bs=4k")
	if diff := cmp.Diff(want, got); !ok || diff != "" {
		t.Errorf("Job (-want +got):\n%s", diff)
	}
	if _, ok := file.Job("global"); ok {
		t.Error("Job(global) found a job")
	}
}

func TestParseJobFileDetails(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       fio.JobFile
	}{
		{"empty", "", fio.JobFile{}},
		{"spaces, CRLF and comment after a value", "[a]\r\n  bs = 4k  # small\r\n", fio.JobFile{
			Sections: []fio.Section{{Name: "a", Options: job("bs=4k").Options, Comments: []string{" small"}}},
		}},
		{"brackets in the name", "[a[0]]\nrw=read", fio.JobFile{
			Sections: []fio.Section{{Name: "a[0]", Options: job("rw=read").Options}},
		}},
		{"equals sign in the value", "[a]\nexec_prerun=x=1\n", fio.JobFile{
			Sections: []fio.Section{{Name: "a", Options: []fio.Option{{Name: "exec_prerun", Value: "x=1", HasValue: true}}}},
		}},
		{"comment at the end", "[a]\n# bye", fio.JobFile{Sections: []fio.Section{{Name: "a", Comments: []string{" bye"}}}}},
	} {
		got, err := fio.ParseJobFile([]byte(test.text))
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if diff := cmp.Diff(test.want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestParseJobFileErrors(t *testing.T) {
	for text, want := range map[string]string{
		"bs=4k\n":                       `line 1: option "bs=4k" stands before`,
		"\n[a\n":                        `line 2: section "[a" has no closing bracket`,
		"[]\n":                          "a section needs a name",
		"[a]\n=4k\n":                    `line 2: "=4k" has no option name`,
		"[a]\ninclude other.fio\n":      "include is not supported",
		"[a]\n[global]\nbs=4k\n":        "move it to the top",
		"[globalish]\nbs=4k\n":          "choose another",
		"[a]\nrw=read\n\n\n[ global \n": "line 5",
	} {
		if _, err := fio.ParseJobFile([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseJobFile(%q) = %v, want an error with %q", text, err, want)
		}
	}
}

func TestWriteToRefuses(t *testing.T) {
	for name, file := range map[string]fio.JobFile{
		"comment mark in a value": {Sections: []fio.Section{{Name: "a", Options: job("filename=/a;b").Options}}},
		"line break in a value":   {Sections: []fio.Section{{Name: "a", Options: job("filename=/a\nrw=write").Options}}},
		"job without a name":      {Sections: []fio.Section{{Options: job("rw=read").Options}}},
		"job called global":       {Sections: []fio.Section{{Name: "global"}}},
	} {
		if n, err := file.WriteTo(&strings.Builder{}); err == nil || n != 0 {
			t.Errorf("%s: WriteTo = %d, %v; want an error", name, n, err)
		}
	}
	if _, err := (fio.JobFile{Sections: []fio.Section{{Name: "a"}}}).WriteTo(failingWriter{}); !errors.Is(err, errFull) {
		t.Errorf("WriteTo on a full disk = %v", err)
	}
}

func TestReferenceJobFiles(t *testing.T) {
	for path, data := range captured(t, "fio-jobs/*.fio") {
		file, err := fio.ParseJobFile(data)
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		again, err := fio.ParseJobFile([]byte(written(t, file)))
		if diff := cmp.Diff(file, again); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", path, err, diff)
		}
		if got, want := strings.Count(written(t, file), "${"), strings.Count(string(data), "${"); got != want {
			t.Errorf("%s: %d variables survived of %d", path, got, want)
		}
	}
}

func FuzzParseJobFile(f *testing.F) {
	f.Add([]byte(jobFileText))
	f.Add([]byte("# only a comment"))
	f.Add([]byte("[a]\nbs=4k ; x\n[b]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := fio.ParseJobFile(data)
		if err != nil {
			return
		}
		again, err := fio.ParseJobFile([]byte(written(t, file)))
		if diff := cmp.Diff(file, again, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Fatalf("read back: %v\n%s", err, diff)
		}
	})
}

func written(t *testing.T, file fio.JobFile) string {
	t.Helper()
	var text strings.Builder
	if _, err := file.WriteTo(&text); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

var errFull = errors.New("disk full")

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errFull }
