// Package measure has the one table of the metrics that labctl takes from what fio reports. Whatever stores or shows
// numbers iterates the table, so a new metric is one entry in it.
package measure

import (
	"slices"
	"strconv"
	"strings"

	"labctl/pkg/fio"
)

// ID names a metric in files and on command lines, such as "clat_p99".
type ID string

// The metrics that code outside of the table names.
const (
	IOPS      ID = "iops"
	Bandwidth ID = "bandwidth"
	IOBytes   ID = "io_bytes"
	ClatMean  ID = "clat_mean"
	ClatP99   ID = "clat_p99"
	SyncMean  ID = "sync_mean"
	Runtime   ID = "runtime"
	// ClatP99Convention is the mean of the jobs' own 99th percentiles, which is a percentile of nothing. Only the blog's
	// numbers and runs of labctls before schema 2 have it, see Set.Convention.
	ClatP99Convention ID = "clat_p99_mean_of_jobs"
)

// Metric is one number that fio's report yields.
type Metric struct {
	ID     ID
	Name   string // for people, such as "clat p99"
	Unit   Unit
	Better Better
	// Adds says that the number of a process is the sum over its jobs, so that there is a mean per job too.
	Adds bool
	// Process says that the number is about the fio process, and not about one direction of its I/O.
	Process bool
	// Shown is the table of a report for people in which the metric stands; "" = it is in CSV and JSON only.
	Shown Table

	from func(source) reading
}

// Table is one of the tables of a workload in a report for people.
type Table string

// The tables, in their order.
const (
	Rates       Table = "rates"
	Latency     Table = "latency"      // of the completion, without the syncs of a durable job
	SyncLatency Table = "sync latency" // of fsync and fdatasync
)

// Better says which of two numbers is the better one.
type Better string

// The answers.
const (
	Higher  Better = "higher"
	Lower   Better = "lower"
	Neither Better = "neither"
)

// Unit is what a metric counts.
type Unit struct {
	Stored string  // unit of the number in files, such as "ns"
	Shown  string  // unit in tables and charts, such as "µs"
	Column string  // Shown in the name of a CSV column, such as "us"
	Per    float64 // how many stored make one shown
}

// MiB is the number of bytes in a mebibyte.
const MiB = 1 << 20

var (
	perSecond      = Unit{"IOPS", "IOPS", "", 1}
	bytesPerSecond = Unit{"B/s", "MiB/s", "mib_per_sec", MiB}
	bytes          = Unit{"B", "MiB", "mib", MiB}
	nanoseconds    = Unit{"ns", "µs", "us", 1e3}
	runTime        = Unit{"ns", "ms", "ms", 1e6}
	percent        = Unit{"%", "%", "percent", 1}
	count          = Unit{"", "", "", 1}
)

// All returns the table, in the order in which metrics are shown.
func All() []Metric { return slices.Clone(table) }

// ByID returns the metric of this ID: one of the table, or a percentile that a job asked fio for.
func ByID(id ID) (Metric, bool) {
	if i := slices.IndexFunc(table, func(m Metric) bool { return m.ID == id }); i >= 0 {
		return table[i], true
	}
	return askedPercentile(id)
}

// percentileID is the ID of a percentile of the completion latency: clat_p99_9 for 99.9.
func percentileID(percent float64) ID {
	return clatPrefix + ID(strings.ReplaceAll(strconv.FormatFloat(percent, 'f', -1, 64), ".", "_"))
}

const clatPrefix = "clat_p"

// askedPercentile is the metric of a percentile that the table does not have.
func askedPercentile(id ID) (Metric, bool) {
	digits, ok := strings.CutPrefix(string(id), clatPrefix)
	percent, err := strconv.ParseFloat(strings.Replace(digits, "_", ".", 1), 64)
	if !ok || err != nil || percent < 0 || percent > 100 || percentileID(percent) != id {
		return Metric{}, false
	}
	return latencyPercentile(id, percent).shown(Latency), true
}

// shown is the metric in a table of a report for people.
func (m Metric) shown(in Table) Metric {
	m.Shown = in
	return m
}

func latencyPercentile(id ID, percent float64) Metric {
	name := "clat p" + strconv.FormatFloat(percent, 'f', -1, 64)
	return Metric{ID: id, Name: name, Unit: nanoseconds, Better: Lower, from: percentileOf(percent, completion)}
}

func completion(f fio.Flow) fio.Latency { return f.Clat }

func submission(f fio.Flow) fio.Latency { return f.Slat }
