package results

import (
	"slices"
	"strings"

	"labctl/pkg/fio"
)

// What is known of the blog's measurements beyond the numbers.

// blogSuite is the name of the suite that the blog ran.
const blogSuite = "blog"

// blogWorkloads are the workloads of the blog with the command lines it gives.
func blogWorkloads() []Workload {
	job := func(size string) string {
		return "fio --name=random-write --ioengine=posixaio --rw=randwrite " + size + " --runtime=60 --time_based --end_fsync=1 --output-format=json"
	}
	return []Workload{
		{Name: random4k, CommandLine: job("--bs=4k --size=4g --numjobs=1 --iodepth=1")},
		{Name: random64k, CommandLine: job("--bs=64k --size=256m --numjobs=16 --iodepth=16")},
		{Name: random1m, CommandLine: job("--bs=1m --size=16g --numjobs=1 --iodepth=1")},
	}
}

// blogTargetKind tells the blog's host from its VMs.
func blogTargetKind(target string) TargetKind {
	if target == "pve" {
		return TargetHost
	}
	return TargetVM
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
