package measure

import (
	"labctl/pkg/fio"
)

// table is every metric. A new one is one entry here and one line in TestTable.
var table = []Metric{
	{ID: IOPS, Shown: Rates, Name: "IOPS", Unit: perSecond, Better: Higher, Adds: true, from: sum(func(f fio.Flow) fio.Value { return f.IOPS })},
	{ID: Bandwidth, Shown: Rates, Name: "bandwidth", Unit: bytesPerSecond, Better: Higher, Adds: true, from: sum(func(f fio.Flow) fio.Value { return f.BytesPerSec })},
	{ID: IOBytes, Shown: Rates, Name: "I/O", Unit: bytes, Better: Neither, Adds: true, from: sum(func(f fio.Flow) fio.Value { return f.IOBytes })},
	{ID: "ios", Name: "I/Os", Unit: count, Better: Neither, Adds: true, from: sum(func(f fio.Flow) fio.Value { return f.TotalIOs })},

	{ID: ClatMean, Shown: Latency, Name: "clat mean", Unit: nanoseconds, Better: Lower, from: mean(completion)},
	latencyPercentile("clat_p50", 50).shown(Latency),
	latencyPercentile("clat_p90", 90),
	latencyPercentile("clat_p95", 95),
	latencyPercentile(ClatP99, 99).shown(Latency),
	latencyPercentile("clat_p99_9", 99.9).shown(Latency),
	latencyPercentile("clat_p99_99", 99.99),
	{ID: "clat_max", Shown: Latency, Name: "clat max", Unit: nanoseconds, Better: Lower, from: largest(completion)},
	{ID: ClatP99Convention, Shown: Latency, Name: "clat p99, mean of the jobs' own", Unit: nanoseconds, Better: Lower, from: never},
	{ID: "slat_mean", Name: "slat mean", Unit: nanoseconds, Better: Lower, from: mean(submission)},
	{ID: "slat_max", Name: "slat max", Unit: nanoseconds, Better: Lower, from: largest(submission)},
	{ID: "short_ios", Name: "short I/Os", Unit: count, Better: Lower, Adds: true, from: sum(func(f fio.Flow) fio.Value { return f.ShortIOs })},
	{ID: "drop_ios", Name: "dropped I/Os", Unit: count, Better: Lower, Adds: true, from: sum(func(f fio.Flow) fio.Value { return f.DropIOs })},

	{ID: "syncs", Name: "syncs", Unit: count, Better: Neither, Process: true, from: syncs},
	{ID: SyncMean, Shown: SyncLatency, Name: "sync mean", Unit: nanoseconds, Better: Lower, Process: true, from: ofSync(mean)},
	{ID: "sync_p99", Shown: SyncLatency, Name: "sync p99", Unit: nanoseconds, Better: Lower, Process: true, from: ofSync(percentileFrom(99))},
	{ID: "sync_p99_9", Shown: SyncLatency, Name: "sync p99.9", Unit: nanoseconds, Better: Lower, Process: true, from: ofSync(percentileFrom(99.9))},
	{ID: "sync_max", Shown: SyncLatency, Name: "sync max", Unit: nanoseconds, Better: Lower, Process: true, from: ofSync(largest)},

	{ID: "cpu_usr", Name: "CPU usr", Unit: percent, Better: Lower, Process: true, from: cpu(func(j fio.JobResult) fio.Value { return j.UsrCPU })},
	{ID: "cpu_sys", Name: "CPU sys", Unit: percent, Better: Lower, Process: true, from: cpu(func(j fio.JobResult) fio.Value { return j.SysCPU })},
	{ID: "cpu_per_io", Name: "CPU per I/O", Unit: nanoseconds, Better: Lower, Process: true, from: cpuPerIO},
	{ID: "context_switches", Name: "context switches", Unit: count, Better: Lower, Process: true, from: ofJobs(func(j fio.JobResult) fio.Value { return j.ContextSwitches })},
	{ID: "major_faults", Name: "major page faults", Unit: count, Better: Lower, Process: true, from: ofJobs(func(j fio.JobResult) fio.Value { return j.MajorFaults })},

	depth(1), depth(2), depth(4), depth(8), depth(16), depth(32), depth(64),

	{ID: Runtime, Name: "run time", Unit: runTime, Better: Neither, Process: true, from: runtime},
}
