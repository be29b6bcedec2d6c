// Package fio speaks with fio, the flexible I/O tester: command lines out, JSON reports in.
// It runs nothing. What it parses was written by fio 2.0 to 3.42 (--output-format=json or json+), see version.go.
package fio

import (
	"strconv"
	"strings"
	"time"

	"labctl/pkg/internal/shell"
)

// Option is one fio option as the user wrote it: order and spelling are kept.
// HasValue is false for a flag such as time_based.
type Option struct {
	Name, Value string
	HasValue    bool
}

// String is the option as fio reads it in a job file: "bs=4k" or "time_based".
func (o Option) String() string {
	if !o.HasValue {
		return o.Name
	}
	return o.Name + "=" + o.Value
}

// Job is one fio job: the options of one command line or job file section, in order.
type Job struct{ Options []Option }

// Get returns the value of the option called name. The last one wins, as in fio; a flag yields "1".
func (j Job) Get(name string) (value string, ok bool) {
	for _, o := range j.Options {
		if o.Name != name {
			continue
		}
		value, ok = o.Value, true
		if !o.HasValue {
			value = "1"
		}
	}
	return value, ok
}

// Args is the command line that runs the job, the program name first, the options in their order.
// --output-format=json+ comes last unless the job chooses an output format itself.
func (j Job) Args() []string {
	args := []string{"fio"}
	for _, o := range j.Options {
		args = append(args, "--"+o.String())
	}
	if _, verifies := j.Get("verify"); verifies {
		args = append(args, "--verify_state_save=0") // a file beside the measured ones, written when fio is ended early
	}
	if _, chosen := j.Get("output-format"); !chosen {
		args = append(args, "--output-format=json+") // with histograms: percentiles of several jobs need them
	}
	return args
}

// CommandLine is Args as a person would type it: joined by single spaces, quoted for a POSIX shell where that is needed.
func (j Job) CommandLine() string {
	return shell.Join(j.Args())
}

// Runtime is how long fio will run a time-based job: runtime plus ramp_time.
// It is 0 when the job ends by size, or when its times cannot be read.
func (j Job) Runtime() time.Duration {
	if flag, ok := j.Get("time_based"); !ok || flag == "0" {
		return 0
	}
	runtime, ok := j.duration("runtime")
	if !ok || runtime == 0 {
		return 0
	}
	ramp, ok := j.duration("ramp_time")
	if !ok {
		return 0
	}
	return runtime + ramp
}

// duration reads a fio time; an absent option is 0.
func (j Job) duration(name string) (time.Duration, bool) {
	text, ok := j.Get(name)
	if !ok {
		return 0, true
	}
	return parseTime(text)
}

// timeUnits are the suffixes fio knows for times, in any case; a bare number means seconds (get_mult_time in fio's parse.c).
var timeUnits = []struct {
	suffix string
	unit   time.Duration
}{
	{"usec", time.Microsecond},
	{"us", time.Microsecond},
	{"msec", time.Millisecond},
	{"ms", time.Millisecond},
	{"s", time.Second},
	{"m", time.Minute},
	{"h", time.Hour},
	{"d", 24 * time.Hour},
}

// parseTime reads a fio time such as 60, 90s, 5m or 500ms. What fio would take for something surprising is not read:
// to it 1h30m is a microsecond.
func parseTime(text string) (time.Duration, bool) {
	number, unit := strings.ToLower(strings.TrimSpace(text)), time.Second
	for _, u := range timeUnits {
		if rest, found := strings.CutSuffix(number, u.suffix); found {
			number, unit = rest, u.unit
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > int64(1<<63-1)/int64(unit) {
		return 0, false
	}
	return time.Duration(n) * unit, true
}
