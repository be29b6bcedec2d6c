package fio

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// The structs here are fio's JSON as it stands (show_thread_status_json and show_idle_prof_stats in fio's stat.c).
// convert.go turns them into the exported types.

type wireReport struct {
	Version     text       `json:"fio version"`
	Timestamp   number     `json:"timestamp"`
	TimestampMs number     `json:"timestamp_ms"`
	Global      textMap    `json:"global options"`
	Jobs        []wireJob  `json:"jobs"`
	DiskUtil    []wireDisk `json:"disk_util"`
}

type wireJob struct {
	Name        text        `json:"jobname"`
	GroupID     number      `json:"groupid"`
	JobStart    number      `json:"job_start"`
	Error       number      `json:"error"`
	Elapsed     number      `json:"elapsed"`
	Runtime     number      `json:"job_runtime"`
	Options     textMap     `json:"job options"`
	Read        wireFlow    `json:"read"`
	Write       wireFlow    `json:"write"`
	Trim        wireFlow    `json:"trim"`
	Sync        wireSync    `json:"sync"`
	UsrCPU      number      `json:"usr_cpu"`
	SysCPU      number      `json:"sys_cpu"`
	Ctx         number      `json:"ctx"`
	MajFaults   number      `json:"majf"`
	MinFaults   number      `json:"minf"`
	DepthLevel  series      `json:"iodepth_level"`
	DepthSubmit series      `json:"iodepth_submit"`
	DepthDone   series      `json:"iodepth_complete"`
	LatencyNs   series      `json:"latency_ns"`
	LatencyUs   series      `json:"latency_us"`
	LatencyMs   series      `json:"latency_ms"`
	SteadyState *wireSteady `json:"steadystate"`
}

type wireFlow struct {
	IOBytes     number      `json:"io_bytes"`
	BWBytes     number      `json:"bw_bytes"`
	IOPS        number      `json:"iops"`
	Runtime     number      `json:"runtime"`
	TotalIOs    number      `json:"total_ios"`
	ShortIOs    number      `json:"short_ios"`
	DropIOs     number      `json:"drop_ios"`
	Slat        wireLatency `json:"slat_ns"`
	Clat        wireLatency `json:"clat_ns"`
	Lat         wireLatency `json:"lat_ns"`
	BWMin       number      `json:"bw_min"`
	BWMax       number      `json:"bw_max"`
	BWAgg       number      `json:"bw_agg"`
	BWMean      number      `json:"bw_mean"`
	BWDev       number      `json:"bw_dev"`
	BWSamples   number      `json:"bw_samples"`
	IOPSMin     number      `json:"iops_min"`
	IOPSMax     number      `json:"iops_max"`
	IOPSMean    number      `json:"iops_mean"`
	IOPSStddev  number      `json:"iops_stddev"`
	IOPSSamples number      `json:"iops_samples"`
}

type wireSync struct {
	Lat wireLatency `json:"lat_ns"`
}

type wireLatency struct {
	Min        number `json:"min"`
	Max        number `json:"max"`
	Mean       number `json:"mean"`
	Stddev     number `json:"stddev"`
	N          number `json:"N"`
	Percentile series `json:"percentile"`
	Bins       series `json:"bins"`
}

type wireSteady struct {
	Criterion    text   `json:"ss"`
	Duration     number `json:"duration"`
	Attained     number `json:"attained"`
	Measured     text   `json:"criterion"`
	MaxDeviation number `json:"max_deviation"`
	Slope        number `json:"slope"`
	Data         struct {
		BWMean   number   `json:"bw_mean"`
		IOPSMean number   `json:"iops_mean"`
		BW       []number `json:"bw"`
		IOPS     []number `json:"iops"`
	} `json:"data"`
}

type wireDisk struct {
	Name         text    `json:"name"`
	ReadIOs      number  `json:"read_ios"`
	WriteIOs     number  `json:"write_ios"`
	ReadSectors  *number `json:"read_sectors"`
	WriteSectors *number `json:"write_sectors"`
	ReadMerges   number  `json:"read_merges"`
	WriteMerges  number  `json:"write_merges"`
	ReadTicks    number  `json:"read_ticks"`
	WriteTicks   number  `json:"write_ticks"`
	InQueue      number  `json:"in_queue"`
	Util         number  `json:"util"`
}

// number is any number fio prints: integer or float, bare or quoted, null for none.
// It keeps the text, so that 64-bit counters lose nothing.
type number string

// UnmarshalJSON accepts every spelling of a number.
func (n *number) UnmarshalJSON(data []byte) error {
	word := string(bytes.Trim(data, `"`))
	switch word {
	case "null", "":
		word = "0"
	case "true":
		word = "1"
	case "false":
		word = "0"
	}
	if _, err := strconv.ParseFloat(word, 64); err != nil {
		return fmt.Errorf("%s is not a number", excerpt(data))
	}
	*n = number(word)
	return nil
}

// float is the number, 0 when it is not finite.
func (n number) float() float64 {
	f, err := strconv.ParseFloat(string(n), 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	return f
}

// int is the number rounded towards zero and limited to what an int64 holds:
// fio prints unsigned counters, and the largest of them for a minimum of nothing.
func (n number) int() int64 {
	if i, err := strconv.ParseInt(string(n), 10, 64); err == nil {
		return i
	}
	switch f := n.float(); {
	case f >= math.MaxInt64:
		return math.MaxInt64
	case f <= math.MinInt64:
		return math.MinInt64
	default:
		return int64(f)
	}
}

// text is a string; another program may have turned it into a number or null.
type text string

// UnmarshalJSON accepts strings and keeps anything else as it is written.
func (t *text) UnmarshalJSON(data []byte) error {
	var s string
	if err := json.Unmarshal(data, &s); err != nil {
		s = string(data)
	}
	*t = text(s)
	return nil
}

// textMap is an object of options.
type textMap map[string]text

func (m textMap) strings() map[string]string {
	if m == nil {
		return nil
	}
	out := make(map[string]string, len(m))
	for name, value := range m {
		out[name] = string(value)
	}
	return out
}

// series is an object whose keys are numbers, such as "99.900000" or ">=64": sorted by key.
type series []point

type point struct {
	key   float64
	open  bool // the key began with ">="
	value number
}

// UnmarshalJSON reads the object; keys that are no number are passed over.
func (s *series) UnmarshalJSON(data []byte) error {
	var object map[string]number
	if err := json.Unmarshal(data, &object); err != nil {
		return err
	}
	*s = nil
	for name, value := range object {
		word, open := strings.CutPrefix(name, ">=")
		key, err := strconv.ParseFloat(word, 64)
		if err != nil || math.IsNaN(key) || math.IsInf(key, 0) {
			continue
		}
		*s = append(*s, point{key: key, open: open, value: value})
	}
	slices.SortFunc(*s, func(a, b point) int {
		return cmp.Or(cmp.Compare(a.key, b.key), compareBool(a.open, b.open), cmp.Compare(a.value, b.value))
	})
	return nil
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}
