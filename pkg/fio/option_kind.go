package fio

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// A valueKind is a kind of value that options take: what may be written, and what to say of anything else.
// No kind lets through what fio would read as a path, a variable, an expression or the text of a file.
type valueKind struct {
	name    string
	pattern string // of the whole value
	what    string // as in: "x" is not …
	remedy  string
	list    string // what to do with several values; "" when joining them by a colon is right
}

const (
	// sizeWord is a number of bytes as fio reads it with any kb_base (__get_mult_bytes in fio's parse.c).
	sizeWord  = `[0-9]{1,15}([kKmMgGtTpP][bB]?|[bB])?`
	timeWord  = `[0-9]{1,12}(us|usec|ms|msec|s|m|h|d|S|M|H|D)?`
	floatWord = `[0-9]{1,12}(\.[0-9]{1,12})?`
	// fileWord is one name in the directory: fio splits names at ":" and reads "-" as standard input or output.
	fileWord = `[A-Za-z0-9_][A-Za-z0-9._-]{0,63}`

	oneSize     = "write a whole number and k, m, g or t, such as 4g"
	oneBlock    = "write one size, and a workload for each size; for a mix of sizes write bssplit: 4k/50:8k/50"
	oneValue    = "write one value, and a workload for each"
	oneEach     = "write one value, and a workload for each; a comma separates those for reads and for writes: 1m,2m"
	plainNumber = "write a whole number"
)

// valueKinds are the kinds that verdicts.txt names.
func valueKinds() []valueKind {
	return []valueKind{
		{"flag", `[01]`, "a flag", "write nothing after the colon, or 1 or 0", ""},
		{"bool", `[01]`, "1 or 0", "write 1 or 0", ""},
		{"count", `[1-9][0-9]{0,6}`, "a number from 1", "", oneValue},
		{"number", `0x[0-9A-Fa-f]{1,15}|[0-9]{1,15}[kKmMgGtT]?`, "a number that fio reads", plainNumber, oneValue},
		{"signed", `-?[0-9]{1,9}`, "a whole number", plainNumber, ""},
		{"seed", `0x[0-9A-Fa-f]{1,15}|[0-9]{1,18}`, "a number that fio reads", plainNumber, ""},
		{"percents", `[0-9]{1,3}(,[0-9]{0,3}){0,2}`, "a percentage", "write a number from 0 to 100", oneEach},
		{"size", sizeWord, "a size that fio reads", oneSize, oneValue},
		{"share", sizeWord + `|[0-9]{1,3}%`, "a size that fio reads", oneSize, oneValue},
		{"sizes", `(` + sizeWord + `)?(,(` + sizeWord + `)?){0,2}`, "a size that fio reads", oneSize, oneEach},
		{"sizerange", sizeWord + `(-` + sizeWord + `)?`, "a size that fio reads", oneSize, "write a range, such as 4k-1m"},
		{"ranges", sizeWord + `[-:]` + sizeWord + `(,` + sizeWord + `[-:]` + sizeWord + `){0,2}`, "a range of sizes", "write two sizes, such as 4k-64k", "write a range, such as 4k-64k"},
		{"split", splitWord + `(,` + splitWord + `){0,2}`, "a mix of block sizes", "write sizes with percentages, such as 4k/50:8k/50", "join sizes with their percentages, such as 4k/50:8k/50"},
		{"priorities", `[0-9kKmM]{1,12}/[0-9/]{0,12}([:,][0-9kKmM]{1,12}/[0-9/]{0,12}){0,63}`, "priorities by block size", "write sizes with percentages, such as 64k/50:4k/50", ""},
		{"time", timeWord, "a time that fio reads", "write a whole number and s, m or h, such as 60s", oneValue},
		{"timerange", timeWord + `(-` + timeWord + `)?`, "a time that fio reads", "write a whole number and s, m or h, such as 60s", "write a range, such as 5s-10s"},
		{"duration", timeWord, "a time that fio reads", "write a whole number and us, ms or s, such as 10ms", oneValue},
		{"floats", floatWord + `(:` + floatWord + `){0,19}`, "a list of numbers", "write up to 20 numbers with colons between, such as 50:99:99.9", ""},
		{"cpus", `[0-9]{1,4}([-:,][0-9]{1,4}){0,63}`, "a list of CPUs", "write numbers, such as 0,2-3", "write them on one line, such as 0,2-3"},
		{"numa", `(default|local|prefer:[0-9]{1,3}|(bind|interleave):[0-9]{1,3}([-,][0-9]{1,3}){0,15})`, "a memory policy", "write default, local, prefer:0, bind:0 or interleave:0-1", ""},
		{"direction", `(read|write|randread|randwrite|rw|readwrite|randrw)(:` + sizeWord + `)?`, "a direction of fio", "", "write a workload for each direction, or rw: randrw"},
		{"engine", "", "an engine that labctl runs", "", "write a workload for each engine"},
		{"enum", "", "a choice", "", ""},
		{"distribution", `random|(zipf|pareto|normal|gauss)(:` + floatWord + `){0,2}|zoned(_abs)?(:` + floatWord + `/` + sizeWord + `%?){1,64}`, "a distribution of fio", "write random, zipf:1.2, pareto:0.2, normal:20 or zoned:60/10:40/90", ""},
		{"service", `(random|zipf|pareto|normal|gauss|roundrobin|sequential)(:` + floatWord + `){0,2}`, "a way to choose files", "write roundrobin, random or sequential", ""},
		{"steady", `(iops|bw)(_slope)?:` + floatWord + `([kKmMgG]|%)?`, "a criterion of steadystate", "write iops_slope:0.3%, or another of iops, bw and bw_slope", ""},
		{"errors", `[A-Z0-9]{1,20}([:,]+[A-Z0-9]{1,20}){0,30}`, "a list of errors", "write names of errors, such as EIO,ENOSPC", "write them on one line, such as EIO,ENOSPC"},
		{"filerange", `(wait_before|write|wait_after)(,(wait_before|write|wait_after)){0,2}(:[0-9]{1,9})?`, "a mode of sync_file_range", "write write:8, or wait_before and wait_after beside it", "write them on one line, such as wait_before,write:8"},
		{"zonemode", `none|strided`, "a mode for files", "write none or strided", ""},
		{"buffers", `malloc|shm|shmhuge|mmap|mmapshared`, "memory that labctl lets fio take", "write malloc, shm, shmhuge, mmap or mmapshared, without a file", ""},
		{"pattern", `0x[0-9A-Fa-f]{1,128}|[0-9]{1,9}|"[A-Za-z0-9 ._-]{1,64}"`, "a pattern in numbers", "write a number, such as 0xdeadbeef, or a \"text\"", ""},
		{"text", `[A-Za-z0-9 .,:_+-]{1,200}`, "plain text", "use letters, digits, blanks and . , : _ + -", ""},
		{"jobname", fileWord, "a job name that labctl lets fio make files of", "use letters, digits, dots, hyphens and underscores", ""},
		{"filename", fileWord, "a plain name below the directory of the target", "write a name without a path, or remove the option", "write one name; nrfiles: 2 makes two files"},
		{"filenames", `(\$jobname|\$jobnum|\$filenum|[A-Za-z0-9_])(\$jobname|\$jobnum|\$filenum|[A-Za-z0-9._-]){0,63}`, "a plain name below the directory of the target", "write it of $jobname, $jobnum, $filenum, letters and digits", ""},
	}
}

const splitWord = sizeWord + `/[0-9]{0,3}(:` + sizeWord + `/[0-9]{0,3}){0,7}`

// kindNamed is the kind of a name in verdicts.txt; a test holds that all of them are there.
func kindNamed(name string) valueKind {
	for _, kind := range valueKinds() {
		if kind.name == name {
			return kind
		}
	}
	return valueKind{name: name, pattern: `[^\s\S]`, what: "a value that labctl knows", remedy: "remove it"}
}

// binaryUnit finds the sizes that fio reads as powers of 1000, against all expectation (fio's HOWTO, "Parameter types").
var binaryUnit = regexp.MustCompile(`(?i)\b([0-9]+)([kmgtp])i(b?)\b`)

// checkKind is what is wrong with a value of the option.
func (r OptionRule) checkKind(value string) *ValueProblem {
	kind := kindNamed(r.kind)
	if found := binaryUnit.FindStringSubmatch(value); found != nil && strings.Contains(kind.pattern, sizeWord) {
		return &ValueProblem{
			fmt.Sprintf("fio reads %s as a power of 1000", found[0]),
			"write " + found[1] + strings.ToLower(found[2]) + ", which fio reads as a power of 1024",
		}
	}
	if !r.matches(value) {
		return &ValueProblem{fmt.Sprintf("%q is not %s", value, kind.what), r.remedy(kind, value)}
	}
	if n, ok := wholeNumber(value); ok && (n < r.min || r.max > 0 && n > r.max) {
		return &ValueProblem{fmt.Sprintf("%s is not %s", value, r.limits()), ""}
	}
	return nil
}

func (r OptionRule) matches(value string) bool {
	whole, err := regexp.MatchString(r.Pattern(), value)
	return err == nil && whole && strings.Trim(value, ",") != ""
}

// remedy is what to write instead of a value.
func (r OptionRule) remedy(kind valueKind, value string) string {
	switch r.kind {
	case "direction":
		if strings.Contains(value, "trim") {
			return "labctl measures files, which fio cannot trim: write read, write, randread, randwrite, rw or randrw"
		}
		return "write read, write, randread, randwrite, rw or randrw"
	case "engine":
		return "write " + alternatives(Engines())
	case "enum":
		return "write " + alternatives(strings.Fields(r.values))
	}
	return kind.remedy
}

func (r OptionRule) limits() string {
	if r.max == 0 {
		return fmt.Sprintf("a number from %d", r.min)
	}
	return fmt.Sprintf("between %d and %d", r.min, r.max)
}

// wholeNumber reads a value that is a number and nothing else.
func wholeNumber(value string) (int64, bool) {
	n, err := strconv.ParseInt(value, 0, 64)
	return n, err == nil
}

// alternatives joins names as "a, b or c".
func alternatives(names []string) string {
	last := len(names) - 1
	if last < 1 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
