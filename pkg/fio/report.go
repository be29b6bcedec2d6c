package fio

import (
	"time"
)

// Report is what one fio process reported. A report belongs to the caller; nothing in it is shared.
type Report struct {
	// Version is the "fio version", for example "fio-3.33".
	Version string
	// Timestamp is when the run ended: fio takes it while it writes the report. It is zero before fio 2.2.5, which does not say.
	Timestamp time.Time
	// GlobalOptions are the options of [global] sections; fio reports them for job files only.
	GlobalOptions map[string]string
	// Jobs has one entry per job as fio reported it, or per group with group_reporting. See Workloads.
	Jobs []JobResult
	// DiskUtil has the block devices below the files; empty where fio finds none (a file on ZFS).
	DiskUtil []DiskUtil
	// Together says that the other workloads of the process ran at the same time: they are of one group. See Workloads.
	Together bool
	// Text is the JSON of this report alone, without what stood around it.
	Text []byte
	// Talk is the text around and between the JSON: warnings and errors fio printed on the same stream.
	Talk string
	// NotNumbers counts values printed as nan or inf in statistics of nothing; they are missing.
	NotNumbers int
	// Warnings are doubts about the numbers, each a sentence.
	Warnings []string
}

// Raw is the report with what fio said around it, as fio could have printed it alone.
func (r *Report) Raw() []byte {
	if r.Talk == "" {
		return r.Text
	}
	return append([]byte(r.Talk+"\n"), r.Text...)
}

// JobResult is what one job did, or one group of jobs with group_reporting.
type JobResult struct {
	// Name is the jobname; clones of one job (numjobs) share it.
	Name    string
	GroupID int
	// Error is the errno that ended the job, 0 when there was none.
	Error int
	// Elapsed is the wall time of the job including ramp and set-up, in whole seconds (fio's resolution); 0 before fio
	// 2.2.9, which does not say.
	Elapsed time.Duration
	// Runtime is how long the job ran, added up over a group; CPU times are shares of it. It is 0 before fio 3.8, which
	// does not say.
	Runtime time.Duration
	// Started is when the job began. It is zero before fio 3.36, which does not say.
	Started time.Time
	// Options are the "job options". Flags given without value, such as time_based,
	// are absent in fio 3.28 and 3.33 and empty in 3.39. Before fio 2.3 there are none.
	Options map[string]string

	// Read, Write and Trim are the directions. Mixed is all of them together, where fio was asked to unify them
	// (unified_rw_reporting) and the three are missing.
	Read, Write, Trim, Mixed Flow
	// Verify is the reading back of a job that writes and verifies. It comes after the writing, so it is no part of Read.
	Verify Flow
	Sync   Sync

	// UsrCPU and SysCPU are the CPU time of the job in percent of one core, of the mean job of a group.
	UsrCPU, SysCPU           Value
	ContextSwitches          Value
	MajorFaults, MinorFaults Value

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
	IOBytes Value
	// BytesPerSec is IOBytes over Runtime, IOPS is TotalIOs over Runtime, as fio computed them.
	BytesPerSec Value
	IOPS        Value
	// Runtime is the time the direction was active, an end_fsync included (milliseconds). It is 0 where there was
	// no I/O, or less than a millisecond of it.
	Runtime time.Duration
	// TotalIOs, ShortIOs and DropIOs are missing before fio 2.1.14.
	TotalIOs, ShortIOs, DropIOs Value
	// Slat, Clat and Lat are submission, completion and total latency. None of them has the fsyncs in it, see Sync.
	Slat, Clat, Lat Latency
	// BWSamples (bytes per second) and IOPSSamples (operations per second) are statistics over fio's
	// sampling windows, 0.5 s unless bwavgtime and iopsavgtime say otherwise. Windows without I/O are not sampled.
	// They are nil where fio took no sample.
	BWSamples, IOPSSamples *Spread
}

// Active reports whether any I/O went this way.
func (f Flow) Active() bool {
	return f.IOBytes.Or(0) > 0 || f.TotalIOs.Or(0) > 0 || f.IOPS.Or(0) > 0
}

// Sync is what a job's fsync, fdatasync or sync_file_range calls took; end_fsync is not in it.
// The number of syncs is Lat.N: the total_ios beside it is 0 in every fio up to 3.42 seen so far.
type Sync struct{ Lat Latency }

// Latency is a latency distribution in nanoseconds. All of it is missing where there was no sample.
type Latency struct {
	MinNs, MaxNs     Value
	MeanNs, StddevNs Value
	// N is the number of samples. It is missing before fio 3.18.
	N Value
	// Percentiles are those that fio was asked for, ascending by Percent.
	Percentiles []Percentile
	// Bins are the histogram, ascending by Ns; only in json+.
	Bins []Bin
}

// Percentile says that Percent of the samples took at most Ns nanoseconds.
type Percentile struct {
	Percent float64
	Ns      int64
}

// Percentile returns the percentile that fio reported for exactly this percent.
func (l Latency) Percentile(percent float64) (ns int64, ok bool) {
	for _, p := range l.Percentiles {
		if diff := p.Percent - percent; diff < 1e-6 && diff > -1e-6 {
			return p.Ns, true
		}
	}
	return 0, false
}

// Bin is one histogram bin of json+: Count samples around Ns nanoseconds.
type Bin struct{ Ns, Count int64 }

// Spread describes a series of samples. Its unit is said where it is used.
type Spread struct {
	Min, Max, Mean, Stddev Value
	Samples                Value // before fio 2.99 it does not say how many
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
	MaxDeviation, Slope Value
	// BytesPerSec and IOPS hold one sample per check interval of the window (1 s unless ss_interval says otherwise).
	BytesPerSec, IOPS []float64
	// MeanBytesPerSec and MeanIOPS are the means over the window.
	MeanBytesPerSec, MeanIOPS Value
}

// DiskUtil holds what a block device did during the run, from the kernel's diskstats.
type DiskUtil struct {
	Name                    string
	ReadIOs, WriteIOs       Value
	ReadMerges, WriteMerges Value
	// ReadSectors and WriteSectors count units of 512 bytes, whatever the device's sector size. They are missing before fio 3.36.
	ReadSectors, WriteSectors Value
	// ReadTicks, WriteTicks and InQueue are milliseconds summed over requests.
	// InQueue includes discards and, since Linux 5.5, flushes.
	ReadTicks, WriteTicks, InQueue time.Duration
	// UtilPercent is the share of the run in which the device was busy.
	UtilPercent Value
}
