package fio_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"labctl/pkg/fio"
)

// job makes a job of words such as "bs=4k" and "time_based".
func job(words ...string) fio.Job {
	var j fio.Job
	for _, word := range words {
		name, value, hasValue := strings.Cut(word, "=")
		j.Options = append(j.Options, fio.Option{Name: name, Value: value, HasValue: hasValue})
	}
	return j
}

func blogJob(bs, size, numjobs, iodepth string) fio.Job {
	return job("name=random-write", "ioengine=posixaio", "rw=randwrite", "bs="+bs, "size="+size, "numjobs="+numjobs,
		"iodepth="+iodepth, "runtime=60", "time_based", "end_fsync=1")
}

func TestCommandLineOfTheBlog(t *testing.T) {
	for _, test := range []struct {
		job  fio.Job
		want string
	}{
		{blogJob("4k", "4g", "1", "1"), "fio --name=random-write --ioengine=posixaio --rw=randwrite --bs=4k --size=4g --numjobs=1 --iodepth=1 --runtime=60 --time_based --end_fsync=1 --output-format=json+"},
		{blogJob("64k", "256m", "16", "16"), "fio --name=random-write --ioengine=posixaio --rw=randwrite --bs=64k --size=256m --numjobs=16 --iodepth=16 --runtime=60 --time_based --end_fsync=1 --output-format=json+"},
		{blogJob("1m", "16g", "1", "1"), "fio --name=random-write --ioengine=posixaio --rw=randwrite --bs=1m --size=16g --numjobs=1 --iodepth=1 --runtime=60 --time_based --end_fsync=1 --output-format=json+"},
	} {
		if got := test.job.CommandLine(); got != test.want {
			t.Errorf("CommandLine:\n got %s\nwant %s", got, test.want)
		}
		if got := test.job.Runtime(); got != time.Minute {
			t.Errorf("Runtime = %v, want 1m", got)
		}
	}
}

func TestArgs(t *testing.T) {
	for _, test := range []struct {
		name string
		job  fio.Job
		want []string
	}{
		{"empty", job(), []string{"fio", "--output-format=json+"}},
		{"own format", job("name=a", "output-format=json+"), []string{"fio", "--name=a", "--output-format=json+"}},
		{"order kept", job("bs=4k", "name=a"), []string{"fio", "--bs=4k", "--name=a", "--output-format=json+"}},
		{"empty value", job("description="), []string{"fio", "--description=", "--output-format=json+"}},
	} {
		if diff := cmp.Diff(test.want, test.job.Args()); diff != "" {
			t.Errorf("%s: Args (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestCommandLineQuotes(t *testing.T) {
	for word, want := range map[string]string{
		"filename=/dev/sdb":     "--filename=/dev/sdb",
		"filename=${DEV}":       "'--filename=${DEV}'",
		"description=two words": "'--description=two words'",
		"description=it's":      `'--description=it'\''s'`,
		"filename=~/x":          "'--filename=~/x'",
	} {
		got := job(word).CommandLine()
		if !strings.HasPrefix(got, "fio "+want+" --output") {
			t.Errorf("CommandLine(%s) = %s, want %s in it", word, got, want)
		}
	}
}

func TestGetLastWins(t *testing.T) {
	j := job("bs=4k", "time_based", "bs=8k", "desc=")
	for _, test := range []struct {
		name, want string
		ok         bool
	}{{"bs", "8k", true}, {"time_based", "1", true}, {"desc", "", true}, {"rw", "", false}} {
		if got, ok := j.Get(test.name); got != test.want || ok != test.ok {
			t.Errorf("Get(%s) = %q, %v; want %q, %v", test.name, got, ok, test.want, test.ok)
		}
	}
}

func TestRuntime(t *testing.T) {
	for _, test := range []struct {
		options string
		want    time.Duration
	}{
		{"runtime=60 time_based", time.Minute},
		{"runtime=60 time_based=1 ramp_time=30s", 90 * time.Second},
		{"runtime=2m time_based", 2 * time.Minute},
		{"runtime=1H time_based", time.Hour},
		{"runtime=500ms time_based", 500 * time.Millisecond},
		{"runtime=250usec time_based", 250 * time.Microsecond},
		{"runtime=60 time_based=0", 0},
		{"runtime=60", 0},
		{"time_based", 0},
		{"runtime=${RT} time_based", 0},
		{"runtime=60 time_based ramp_time=${RAMP}", 0},
		{"runtime=-5 time_based", 0},
		{"runtime=9223372036854775807 time_based", 0},
	} {
		if got := job(strings.Fields(test.options)...).Runtime(); got != test.want {
			t.Errorf("Runtime(%s) = %v, want %v", test.options, got, test.want)
		}
	}
}

// TestQuotingIsReadBack checks the quoting against a reader of POSIX single quotes.
func TestQuotingIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.String().Filter(func(s string) bool { return !strings.Contains(s, "\x00") }).Draw(t, "value")
		j := fio.Job{Options: []fio.Option{{Name: "description", Value: value, HasValue: true}}}
		if got := shellWords(j.CommandLine()); !slices.Equal(got, j.Args()) {
			t.Fatalf("shell reads %q, want %q", got, j.Args())
		}
	})
}

// shellWords splits a command line that uses no quoting but '…' and \'.
func shellWords(line string) []string {
	words, word, quoted := []string{}, "", false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\'':
			quoted = !quoted
		case c == '\\' && !quoted:
			i++
			word += line[i : i+1]
		case c == ' ' && !quoted:
			words, word = append(words, word), ""
		default:
			word += line[i : i+1]
		}
	}
	return append(words, word)
}
