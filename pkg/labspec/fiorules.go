package labspec

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"labctl/pkg/fio"
)

// checkJob reports what is wrong with the options of a job before fio sees them.
func checkJob(job fio.Job, report func(option, problem, remedy string)) {
	var meant []string
	problems := job.Check()
	for _, p := range problems {
		if option, ok := closest(p.Option, allowedOptions()); ok && p.Unknown {
			p.Remedy = "did you mean " + option + "?"
			meant = append(meant, option)
		}
		report(p.Option, p.Problem, p.Remedy)
	}
	var unknown *fio.UnknownFilesError
	if _, err := job.FileNames(); errors.As(err, &unknown) && len(problems) == 0 {
		report(unknown.Option, unknown.Reason+", and labctl removes the files that it knows", "change it so that the names follow from name, numjobs and nrfiles")
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

// allowedOptions are the names that a lab file may set.
func allowedOptions() []string {
	var names []string
	for _, rule := range fio.OptionRules() {
		if rule.Refused() != "" {
			continue
		}
		names = append(names, rule.Name)
		if rule.Alias != "" {
			names = append(names, rule.Alias)
		}
	}
	return names
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
