package fio

import (
	"fmt"
	"strings"
	"syscall"
	"time"
)

// Report is everything one fio process reported (fio 3.28 to 3.42, formats json and json+).
// A report belongs to the caller; nothing in it is shared.
type Report struct {
	// Version is the "fio version", for example "fio-3.33".
	Version string
	// Timestamp is when the run ended: fio takes it while it writes the report (milliseconds).
	Timestamp time.Time
	// GlobalOptions are the options of [global] sections; fio reports them for job files only.
	GlobalOptions map[string]string
	// Jobs has one entry per job, or per group with group_reporting.
	Jobs []JobResult
	// DiskUtil has the block devices below the files; empty where fio finds none (a file on ZFS).
	DiskUtil []DiskUtil
	// Talk is the text around and between the JSON: warnings and errors fio printed on the same stream.
	Talk string
	// NotNumbers counts values printed as nan or inf, which JSON cannot say; they are read as 0.
	NotNumbers int
}

// JobResult is what one job, or one group of jobs, did.
type JobResult struct {
	// Name is the jobname; clones of one job (numjobs) share it.
	Name    string
	GroupID int
	// Error is the errno that ended the job, 0 when there was none.
	Error int
	// Elapsed is the wall time of the job including ramp and set-up, in whole seconds (fio's resolution).
	Elapsed time.Duration
	// Runtime is how long the job did I/O, added up over a group (milliseconds); 0 when fio did not say.
	Runtime time.Duration
	// Started is when the job began, zero before fio 3.36.
	Started time.Time
	// Options are the "job options". Flags given without value, such as time_based,
	// are absent in fio 3.28 and 3.33 and empty in 3.39.
	Options map[string]string

	Read, Write, Trim Flow
	Sync              Sync

	// UsrCPU and SysCPU are the CPU time of the job in percent of one core.
	UsrCPU, SysCPU           float64
	ContextSwitches          int64
	MajorFaults, MinorFaults int64

	// IODepthLevel, IODepthSubmit and IODepthComplete say which share of the I/O saw which queue depth.
	// fio counts syncs there too but divides by reads, writes and trims: with fdatasync=1 the level adds up to 200 %.
	IODepthLevel, IODepthSubmit, IODepthComplete Depths
	// LatencyShares is the distribution of total latency in fio's fixed ranges, ascending.
	LatencyShares []LatencyShare
	// SteadyState is nil unless the job asked for steady state detection.
	SteadyState *SteadyState
}

// Flow is one direction of a job: read, write or trim.
type Flow struct {
	IOBytes int64
	// BytesPerSec is IOBytes over Runtime, IOPS is TotalIOs over Runtime, as fio computed them.
	BytesPerSec float64
	IOPS        float64
	// Runtime is the time the direction was active, an end_fsync included (milliseconds).
	Runtime                     time.Duration
	TotalIOs, ShortIOs, DropIOs int64
	// Slat, Clat and Lat are submission, completion and total latency.
	Slat, Clat, Lat Latency
	// BWSamples (bytes per second) and IOPSSamples (operations per second) are statistics over fio's
	// sampling windows, 0.5 s unless bwavgtime and iopsavgtime say otherwise. Windows without I/O are not sampled.
	BWSamples, IOPSSamples Spread
	// BWAggPercent is this job's share of the bandwidth of its group.
	BWAggPercent float64
}

// Sync is what a job's fsync, fdatasync or sync_file_range calls took; end_fsync is not in it.
// The number of syncs is Lat.N: the total_ios beside it is 0 in every fio up to 3.42 seen so far.
type Sync struct{ Lat Latency }

// Latency is a latency distribution in nanoseconds. N is the number of samples.
type Latency struct {
	MinNs, MaxNs     int64
	MeanNs, StddevNs float64
	N                int64
	Percentiles      []Percentile // ascending by Percent; empty unless fio was asked for them
	Bins             []Bin        // ascending by Ns; only in json+
}

// Percentile says that Percent of the samples took at most Ns nanoseconds.
type Percentile struct {
	Percent float64
	Ns      int64
}

// Bin is one histogram bin of json+: Count samples around Ns nanoseconds.
type Bin struct{ Ns, Count int64 }

// Percentile returns the percentile that fio reported for exactly this percent.
func (l Latency) Percentile(percent float64) (ns int64, ok bool) {
	for _, p := range l.Percentiles {
		if diff := p.Percent - percent; diff < 1e-6 && diff > -1e-6 {
			return p.Ns, true
		}
	}
	return 0, false
}

// Spread describes a series of samples. Its unit is said where it is used.
type Spread struct {
	Min, Max, Mean, Stddev float64
	Samples                int64
}

// DepthShare says that Percent of the I/O happened at a queue depth of Depth or deeper, up to the next share's Depth.
type DepthShare struct {
	Depth   int
	Percent float64
}

// Depths is a distribution over queue depths, ascending.
type Depths []DepthShare

// AtLeast is the percent of I/O in the ranges that begin at depth or deeper.
func (d Depths) AtLeast(depth int) float64 {
	var sum float64
	for _, share := range d {
		if share.Depth >= depth {
			sum += share.Percent
		}
	}
	return sum
}

// LatencyShare says that Percent of the I/O took less than Below, and not less than the previous share's Below.
// The last range has no upper end; its Below is 0.
type LatencyShare struct {
	Below   time.Duration
	Percent float64
}

// SteadyState is the verdict of fio's steadystate option.
type SteadyState struct {
	// Criterion is the option, for example "iops_slope:0.3%".
	Criterion string
	// Duration is the window that was tested.
	Duration time.Duration
	Attained bool
	// Measured is the criterion as it came out, for example "2.1%".
	Measured string
	// MaxDeviation and Slope are in percent of the mean for a criterion in percent, else in the criterion's unit.
	MaxDeviation, Slope float64
	// BytesPerSec and IOPS hold one sample per check interval of the window (1 s unless ss_interval says otherwise).
	BytesPerSec, IOPS []float64
	// MeanBytesPerSec and MeanIOPS are the means over the window.
	MeanBytesPerSec, MeanIOPS float64
}

// DiskUtil holds what a block device did during the run, from the kernel's diskstats.
type DiskUtil struct {
	Name                    string
	ReadIOs, WriteIOs       int64
	ReadMerges, WriteMerges int64
	// HasSectors is false before fio 3.36, which knows no sectors.
	HasSectors bool
	// ReadSectors and WriteSectors count units of 512 bytes, whatever the device's sector size.
	ReadSectors, WriteSectors int64
	// ReadTicks, WriteTicks and InQueue are milliseconds summed over requests.
	// InQueue includes discards and, since Linux 5.5, flushes.
	ReadTicks, WriteTicks, InQueue time.Duration
	// UtilPercent is the share of the run in which the device was busy.
	UtilPercent float64
}

// Failed returns the first job error as *JobError, or nil.
func (r *Report) Failed() error {
	for _, job := range r.Jobs {
		if job.Error != 0 {
			return &JobError{Job: job.Name, Errno: job.Error, Reason: r.reason(job.Error)}
		}
	}
	return nil
}

// reason names the error, and quotes fio's own line about it when there is one.
func (r *Report) reason(errno int) string {
	name := syscall.Errno(errno).Error()
	for line := range strings.Lines(r.Talk) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "fio:") && strings.Contains(strings.ToLower(line), strings.ToLower(name)) {
			return fmt.Sprintf("%s (%s)", name, line)
		}
	}
	return name
}
