// Package baseline has what is known of the blog whose experiment labctl repeats: the command lines, the numbers that the
// author published, how far they scatter, and the result files that his run.py writes.
package baseline

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"labctl/pkg/fio"
	"labctl/pkg/results"
	"labctl/pkg/results/measure"
)

// blogSuite is the name of the suite that the blog ran.
const blogSuite = "blog"

// blogWorkloads are the workloads of the blog with the command lines it gives.
func blogWorkloads() []results.Workload {
	job := func(size string) string {
		return "fio --name=random-write --ioengine=posixaio --rw=randwrite " + size + " --runtime=60 --time_based --end_fsync=1 --output-format=json"
	}
	return []results.Workload{
		{Name: random4k, CommandLine: job("--bs=4k --size=4g --numjobs=1 --iodepth=1")},
		{Name: random64k, CommandLine: job("--bs=64k --size=256m --numjobs=16 --iodepth=16")},
		{Name: random1m, CommandLine: job("--bs=1m --size=16g --numjobs=1 --iodepth=1")},
	}
}

// blogTargetKind tells the blog's host from its VMs.
func blogTargetKind(target string) results.TargetKind {
	if target == "pve" {
		return results.TargetHost
	}
	return results.TargetVM
}

// blogCommandLine is the command line behind a report, if it is that of the blog's workload of this name.
// A report alone does not tell: it has the options in no order, and lacks flags.
func blogCommandLine(workload string, report *fio.Report) string {
	for _, w := range blogWorkloads() {
		if w.Name == workload && saysWhat(report.Jobs[0].Options, w.CommandLine) {
			return w.CommandLine
		}
	}
	return ""
}

// saysWhat reports whether options are those of a command line, flags aside.
func saysWhat(options map[string]string, commandLine string) bool {
	for name, value := range options {
		if value != "" && !slices.Contains(strings.Fields(commandLine), "--"+name+"="+value) {
			return false
		}
	}
	for _, word := range strings.Fields(commandLine) {
		name, value, hasValue := strings.Cut(strings.TrimPrefix(word, "--"), "=")
		if hasValue && name != "output-format" && options[name] != value {
			return false
		}
	}
	return true
}

// IsBlog says whether the numbers of a run are the blog author's own: a baseline, or imported from a file of his run.py.
func IsBlog(run *results.Run) bool {
	return run.Suite == blogSuite && (run.Kind == results.KindPublished || run.Provenance.Importer == results.ImporterRunPy)
}

// Noise says how far the blog author's two runs scatter, from all pairs of results of one workload on one target.
func Noise() string {
	all, rest := blogScatter(func(results.Cell) bool { return true }), blogScatter(func(c results.Cell) bool { return c.Target != "pve" || c.Workload != random4k })
	return fmt.Sprintf("The author's two runs (blog:2023-08-23 and blog:2023-09-12) scatter by %.1f %% from run to run, over all %d pairs of results, "+
		"so differences between two single results below %.0f %% are within it; without the pair of %s on the host, which differs most, "+
		"%.1f %% and %.0f %%. That is the noise of his machine and of no other.", 100*all.sd, all.pairs, all.within(), random4k, 100*rest.sd, rest.within())
}

// scatter is how far pairs of results differ.
type scatter struct {
	pairs int
	sd    float64 // standard deviation of the logarithm of a single result
}

// within is the difference of two single results, in percent, that 95 % of pairs without a real difference stay below.
func (s scatter) within() float64 {
	const normal95 = 1.96
	return 100 * normal95 * math.Sqrt2 * s.sd
}

// blogScatter compares the headline numbers of the author's two runs.
func blogScatter(keep func(results.Cell) bool) scatter {
	runs := Published()
	var s scatter
	var sum float64
	for i, first := range runs[0].Trials {
		second := runs[1].Trials[i]
		a, okA := first.Measures.Get(measure.Total, measure.IOPS).Get()
		b, okB := second.Measures.Get(measure.Total, measure.IOPS).Get()
		if okA && okB && keep(first.Cell) {
			difference := math.Log(b / a)
			sum += difference * difference
			s.pairs++
		}
	}
	s.sd = math.Sqrt(sum / float64(2*s.pairs)) // a difference has twice the variance of a result
	return s
}
