package labspec

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"labctl/pkg/fio"
)

// refused are options of fio that a lab file may not set, and why.
type refused struct{ reason, names string }

func refusals() []refused {
	return []refused{
		{"labctl reads the results from fio's standard output as JSON", "output output-format append-terse minimal terse-version bandwidth-log eta eta-interval eta-newline status-interval"},
		{"labctl runs fio in the directory of the target", "directory opendir"},
		{"labctl starts each workload as one fio process of its own", "client server daemonize remote-config section profile max-jobs"},
		{"fio would measure nothing", "parse-only version help cmdhelp enghelp showcmd crctest cpuclock-test memcpytest"},
		{"a lab file runs no other commands", "exec_prerun exec_postrun trigger trigger-file trigger-timeout trigger-remote"},
		{"its files would lie among the measured ones and not be kept", "write_bw_log write_lat_log write_iops_log write_hist_log write_iolog inflate-log aux-path"},
		{"labctl does not bring the recorded file to the targets", "read_iolog replay_redirect merge_blktrace_file"},
	}
}

// refusal says why a lab file may not set an option. Hyphens and underscores count as one: fio itself uses both.
func refusal(option string) (reason string, found bool) {
	spell := strings.NewReplacer("_", "-").Replace
	for _, group := range refusals() {
		for name := range strings.FieldsSeq(group.names) {
			if spell(name) == spell(option) {
				return group.reason, true
			}
		}
	}
	return "", false
}

// The directions of fio's option rw (fio's HOWTO, "I/O type").
func directions() []string {
	return []string{"read", "write", "randread", "randwrite", "rw", "readwrite", "randrw", "trim", "randtrim", "trimwrite", "randtrimwrite"}
}

// familiarOptions are those that lab files use most; names that nearly are one of them are misspelt.
func familiarOptions() []string {
	return strings.Fields(`name rw readwrite bs blocksize size filesize filename ioengine iodepth direct buffered numjobs
		runtime ramp_time time_based end_fsync fsync fdatasync sync group_reporting thread randseed randrepeat
		norandommap random_generator refill_buffers scramble_buffers buffer_compress_percentage rwmixread rwmixwrite
		percentile_list percentage_random startdelay thinktime rate rate_iops rate_process fallocate overwrite
		invalidate loops nrfiles offset offset_increment verify zero_buffers bsrange bssplit iodepth_batch
		iodepth_batch_submit iodepth_batch_complete iodepth_low write_barrier unlink stonewall random_distribution`)
}

// checkJob reports what is wrong with the options of a job before fio sees them. It does not know all of fio: what it
// does not recognise is left to fio.
func checkJob(job fio.Job, report func(option, problem, remedy string)) {
	var meant []string
	for _, option := range job.Options {
		if reason, found := refusal(option.Name); found {
			report(option.Name, "is not for lab files: "+reason, "remove it")
		} else if familiar, ok := misspelt(option.Name); ok {
			report(option.Name, "unknown option of fio", "did you mean "+familiar+"?")
			meant = append(meant, familiar)
		} else if err := checkOption(option); err != nil {
			report(option.Name, err.problem, err.remedy)
		}
	}
	has := func(names ...string) bool {
		return slices.ContainsFunc(names, func(name string) bool {
			_, ok := job.Get(name)
			return ok || slices.Contains(meant, name)
		})
	}
	if !has("rw", "readwrite") {
		report("rw", "missing", "add rw: randwrite, or another of fio's directions")
	}
	if !has("size", "filesize", "fill_device", "fill_fs") {
		report("size", "missing", "add size: 4g")
	}
	if has("time_based") && !has("runtime", "timeout") {
		report("runtime", "missing, and time_based needs it", "add runtime: 60")
	}
}

// checkOption checks the value of an option that matters to labctl.
func checkOption(option fio.Option) *valueError {
	switch option.Name {
	case "rw", "readwrite":
		return checkDirection(option.Value)
	case "size", "filesize":
		return checkFioSize(option.Value)
	case "bs", "blocksize":
		return checkBlockSize(option.Value)
	case "numjobs", "iodepth", "loops", "nrfiles":
		return checkCount(option.Value)
	case "ioengine":
		return checkEngine(option.Value)
	case "filename", "filename_format":
		return checkFileName(option.Value)
	}
	return nil
}

// misspelt finds the familiar option that a name is one slip away from.
func misspelt(name string) (string, bool) {
	familiar := familiarOptions()
	if len(name) < 5 || slices.Contains(familiar, name) {
		return "", false
	}
	for _, option := range familiar {
		if distance(name, option) == 1 {
			return option, true
		}
	}
	return "", false
}

func checkDirection(value string) *valueError {
	direction, _, _ := strings.Cut(value, ":")
	if slices.Contains(directions(), direction) {
		return nil
	}
	if meant, ok := closest(direction, directions()); ok {
		return &valueError{fmt.Sprintf("%q is not a direction of fio", value), "did you mean " + meant + "?"}
	}
	return &valueError{fmt.Sprintf("%q is not a direction of fio", value), "write " + alternatives(directions())}
}

// checkEngine refuses the engines that run what a lab file must not bring along.
func checkEngine(value string) *valueError {
	if engine, _, _ := strings.Cut(value, ":"); engine == "exec" || engine == "external" || strings.Contains(value, "/") {
		return &valueError{fmt.Sprintf("the engine %s runs other programs than fio", value), "use io_uring, libaio, posixaio, psync or sync"}
	}
	return nil
}

// checkFileName keeps files inside of the target's directory.
func checkFileName(value string) *valueError {
	for name := range strings.SplitSeq(value, ":") {
		if path.IsAbs(name) || path.Clean(name) != name || strings.HasPrefix(name, "..") {
			return &valueError{fmt.Sprintf("%q is not a plain name below the directory of the target", name), "write a name without a path, or remove the option"}
		}
	}
	return nil
}

func checkCount(value string) *valueError {
	if n, err := strconv.Atoi(value); err != nil || n < 1 {
		return &valueError{fmt.Sprintf("%q is not a number from 1", value), ""}
	}
	return nil
}

// checkBlockSize looks at single sizes only; ranges and lists are left to fio.
func checkBlockSize(value string) *valueError {
	if strings.ContainsAny(value, ",-:") {
		return nil
	}
	return checkFioSize(value)
}

func checkFioSize(value string) *valueError {
	if _, ok := fioBytes(value); ok || strings.HasSuffix(value, "%") {
		return nil
	}
	if unit := strings.ToLower(strings.TrimLeft(value, "0123456789")); len(unit) > 1 && unit[1] == 'i' {
		short := value[:len(value)-len(unit)] + unit[:1]
		return &valueError{fmt.Sprintf("fio reads %s as a power of 1000", value), "write " + short + ", which fio reads as a power of 1024"}
	}
	return &valueError{fmt.Sprintf("%q is not a size that fio reads", value), "write a whole number and k, m, g or t, such as 4g"}
}

// FioBytes is how many bytes a size of a fio option means, when that can be told from the text alone.
func FioBytes(value string) (int64, bool) { return fioBytes(value) }

// fioBytes reads a size as fio does with its default kb_base: k, m, g, t and kb, mb, gb, tb are powers of 1024 (fio's
// HOWTO, "Parameter types"). Forms with an i are powers of 1000 there, against all expectation, and not read here.
func fioBytes(value string) (int64, bool) {
	number := strings.TrimSuffix(strings.ToLower(value), "b")
	scale := int64(1)
	for i, unit := range []string{"k", "m", "g", "t"} {
		if rest, found := strings.CutSuffix(number, unit); found {
			number, scale = rest, int64(1)<<(10*(i+1))
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n <= 0 || n > int64(maxSize)/scale {
		return 0, false
	}
	return n * scale, true
}
