package results

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"labctl/pkg/fio"
)

// ruleBuffered is the rule that finds jobs whose I/O ends in the page cache.
const ruleBuffered = "PAGECACHE_RISK"

// buffered finds a job that neither bypasses the page cache nor waits for the disk: its numbers are those of memory and
// of write-back.
func buffered(options map[string]string) []Finding {
	engine := options["ioengine"]
	// Engines that read and write files through the kernel's page cache unless told otherwise (fio's HOWTO, "ioengine").
	cached := []string{"", "sync", "psync", "vsync", "pvsync", "pvsync2", "libaio", "posixaio", "io_uring", "mmap", "splice"}
	if !slices.Contains(cached, engine) || isOn(options, "direct") || options["buffered"] == "0" || isOn(options, "atomic") {
		return nil
	}
	for _, wait := range []string{"sync", "fsync", "fdatasync"} {
		if isOn(options, wait) {
			return nil
		}
	}
	evidence := "neither direct=1 nor sync, fsync or fdatasync: the page cache takes the I/O"
	if size := options["size"]; size != "" {
		evidence += fmt.Sprintf("; size %s", size)
		if jobs := options["numjobs"]; jobs != "" && jobs != "1" {
			evidence += fmt.Sprintf(" in each of %s jobs", jobs)
		}
	}
	return []Finding{{Rule: ruleBuffered, Severity: Warning, Evidence: evidence}}
}

// isOn says whether an option that is off by default was set.
func isOn(options map[string]string, name string) bool {
	value, given := options[name]
	return given && value != "0" && value != "none" && value != "false"
}

// argOptions are the options of a fio command line as labctl writes it: one job, values after an equals sign.
func argOptions(args []string) map[string]string {
	options := map[string]string{}
	for _, arg := range args {
		name, value, hasValue := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		if !hasValue {
			value = "1"
		}
		if strings.HasPrefix(arg, "--") {
			options[name] = value
		}
	}
	return options
}

// reportOptions are the options of the first job of a report. fio leaves out flags without a value before 3.39.
func reportOptions(report *fio.Report) map[string]string {
	options := maps.Clone(report.GlobalOptions)
	if options == nil {
		options = map[string]string{}
	}
	maps.Copy(options, report.Jobs[0].Options)
	for name, value := range options {
		if value == "" {
			options[name] = "1"
		}
	}
	return options
}
