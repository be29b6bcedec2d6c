package fio

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// The structs here are fio's JSON as it stands (show_thread_status_json and show_idle_prof_stats in fio's stat.c).
// convert.go turns them into the exported types.

type wireReport struct {
	Version     text           `json:"fio version"`
	Timestamp   number         `json:"timestamp"`
	TimestampMs number         `json:"timestamp_ms"`
	Global      textMap        `json:"global options"`
	Jobs        list[jobText]  `json:"jobs"`
	DiskUtil    list[wireDisk] `json:"disk_util"`
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
	Mixed       wireFlow    `json:"mixed"`
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

// wireFlow has the keys of all versions: slat, clat and lat are microseconds of fio 2, the others nanoseconds.
type wireFlow struct {
	IOBytes     number      `json:"io_bytes"`
	IOKBytes    number      `json:"io_kbytes"`
	BWBytes     number      `json:"bw_bytes"`
	BW          number      `json:"bw"`
	IOPS        number      `json:"iops"`
	Runtime     number      `json:"runtime"`
	TotalIOs    number      `json:"total_ios"`
	ShortIOs    number      `json:"short_ios"`
	DropIOs     number      `json:"drop_ios"`
	SlatUs      wireLatency `json:"slat"`
	ClatUs      wireLatency `json:"clat"`
	LatUs       wireLatency `json:"lat"`
	Slat        wireLatency `json:"slat_ns"`
	Clat        wireLatency `json:"clat_ns"`
	Lat         wireLatency `json:"lat_ns"`
	BWMin       number      `json:"bw_min"`
	BWMax       number      `json:"bw_max"`
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
		BWMean   number       `json:"bw_mean"`
		IOPSMean number       `json:"iops_mean"`
		BW       list[number] `json:"bw"`
		IOPS     list[number] `json:"iops"`
	} `json:"data"`
}

type wireDisk struct {
	Name         text   `json:"name"`
	ReadIOs      number `json:"read_ios"`
	WriteIOs     number `json:"write_ios"`
	ReadSectors  number `json:"read_sectors"`
	WriteSectors number `json:"write_sectors"`
	ReadMerges   number `json:"read_merges"`
	WriteMerges  number `json:"write_merges"`
	ReadTicks    number `json:"read_ticks"`
	WriteTicks   number `json:"write_ticks"`
	InQueue      number `json:"in_queue"`
	Util         number `json:"util"`
}

// number is any number fio prints: integer or float, bare or quoted. It keeps the text, so that 64-bit counters lose
// nothing, and "" where there is none.
type number string

// UnmarshalJSON accepts every spelling of a number, nan and inf among them.
func (n *number) UnmarshalJSON(data []byte) error {
	word := string(bytes.Trim(data, `"`))
	switch word {
	case "null":
		word = ""
	case "true":
		word = "1"
	case "false":
		word = "0"
	}
	if _, err := strconv.ParseFloat(strings.TrimPrefix(word, "-"), 64); err != nil && word != "" && !errors.Is(err, strconv.ErrRange) {
		return fmt.Errorf("%s is not a number", excerpt(data))
	}
	*n = number(word)
	return nil
}

// float is the number; it may be infinite or no number.
func (n number) float() float64 {
	f, err := strconv.ParseFloat(string(n), 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return math.NaN() // "-nan", and nothing else that UnmarshalJSON lets through
	}
	return f
}

// finite says that there is a number, and not nan or inf.
func (n number) finite() bool {
	return n != "" && !math.IsNaN(n.float()) && !math.IsInf(n.float(), 0)
}

// largest says that the number is the largest of 64 bits, with which fio begins a minimum; some print it as -1.
func (n number) largest() bool { return n == "18446744073709551615" || n == "-1" }

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

// jobText is the JSON of one job, which is read when its turn comes: histograms of all jobs at once would be large.
type jobText []byte

// UnmarshalJSON keeps the text, which lasts as long as the report.
func (t *jobText) UnmarshalJSON(data []byte) error {
	*t = data
	return nil
}

// maxItems bounds every list and table of a report: fio runs at most 4096 jobs (REAL_MAX_JOBS in fio.h), a
// histogram has 1856 bins (FIO_IO_U_PLAT_NR in stat.h).
const maxItems = 4096

var errTooMany = fmt.Errorf("more than %d items in one list of the report", maxItems)

// list is an array with at most maxItems values.
type list[T any] []T

// UnmarshalJSON reads one value after the other, so that nothing large is made of a long list.
func (l *list[T]) UnmarshalJSON(data []byte) error {
	*l = nil
	return eachItem(data, '[', func(text []byte) error {
		var item T
		if err := json.Unmarshal(text, &item); err != nil {
			return err
		}
		*l = append(*l, item)
		return nil
	})
}

// eachItem calls read for the text of every item of an array or object, which is valid JSON. null has none.
func eachItem(data []byte, open byte, read func(text []byte) error) error {
	data = bytes.TrimSpace(data)
	if bytes.Equal(data, []byte("null")) {
		return nil
	}
	if data[0] != open {
		return fmt.Errorf("%s stands where %c is expected", excerpt(data), open)
	}
	items, rest := 0, bytes.TrimSpace(data[1:len(data)-1])
	for len(rest) > 0 {
		if items++; items > maxItems {
			return errTooMany
		}
		end := itemEnd(rest)
		if err := read(rest[:end]); err != nil {
			return err
		}
		rest = rest[min(len(rest), end+1):]
	}
	return nil
}

// itemEnd is where the first item of a list ends: at a comma outside of strings and brackets, or with the list.
func itemEnd(text []byte) int {
	depth, inString := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		case c == ',' && depth == 0:
			return i
		}
	}
	return len(text)
}

// member splits an item of an object.
func member(text []byte) (name string, value []byte, err error) {
	at := bytes.IndexByte(text, '"')
	end := at + 1
	for ; text[end] != '"'; end++ {
		if text[end] == '\\' {
			end++
		}
	}
	if err := json.Unmarshal(text[at:end+1], &name); err != nil {
		return "", nil, err
	}
	return name, text[end+1+bytes.IndexByte(text[end+1:], ':')+1:], nil
}

// textMap is an object of options.
type textMap map[string]text

// UnmarshalJSON reads the object.
func (m *textMap) UnmarshalJSON(data []byte) error {
	read := textMap{}
	err := eachItem(data, '{', func(item []byte) error {
		name, written, err := member(item)
		if err != nil {
			return err
		}
		var value text
		err = json.Unmarshal(written, &value)
		read[name] = value
		return err
	})
	if err == nil && !bytes.Equal(data, []byte("null")) {
		*m = read
	}
	return err
}

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
	*s = nil
	err := eachItem(data, '{', func(item []byte) error {
		name, written, err := member(item)
		if err != nil {
			return err
		}
		var value number
		if err := value.UnmarshalJSON(bytes.TrimSpace(written)); err != nil {
			return err
		}
		word, open := strings.CutPrefix(name, ">=")
		key, err := strconv.ParseFloat(word, 64)
		if err == nil && !math.IsNaN(key) && !math.IsInf(key, 0) {
			*s = append(*s, point{key: key, open: open, value: value})
		}
		return nil
	})
	slices.SortFunc(*s, func(a, b point) int {
		return cmp.Or(cmp.Compare(a.key, b.key), compareBool(a.open, b.open), cmp.Compare(a.value, b.value))
	})
	return err
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
