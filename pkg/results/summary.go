package results

import (
	"time"

	"labctl/pkg/fio"
)

// Summary holds the numbers of one trial, over all jobs of the fio process.
type Summary struct {
	// FioVersion is the version fio reported, for example "fio-3.33".
	FioVersion string `json:"fio_version"`
	// Jobs is the number of job results: numjobs, or 1 with group_reporting.
	Jobs  int  `json:"jobs"`
	Read  Flow `json:"read"`
	Write Flow `json:"write"`
	// RuntimeMax is the longest time a job spent on I/O in either direction, end_fsync included.
	RuntimeMax Duration `json:"runtime_max"`
}

// Flow is one direction of a trial: totals over all jobs.
type Flow struct {
	// IOPS and BytesPerSec are sums of what the jobs achieved, each over its own runtime.
	IOPS        float64 `json:"iops"`
	BytesPerSec float64 `json:"bytes_per_sec"`
	IOBytes     int64   `json:"io_bytes"`
	// ClatMeanNs is the mean completion latency of all I/O: each job's mean weighted by its number of I/Os.
	ClatMeanNs float64 `json:"clat_mean_ns"`
	// ClatP99MeanNs is the arithmetic mean of the jobs' 99th percentiles. With one job that is its p99;
	// with several it is a convention, not a percentile of anything.
	ClatP99MeanNs float64 `json:"clat_p99_mean_ns"`
	TotalIOs      int64   `json:"total_ios"`
}

// MiB is the number of bytes in a mebibyte.
const MiB = 1 << 20

// PerJob is the mean over jobs: rates and amounts divided, latencies unchanged. It is what the blog's charts show.
func (f Flow) PerJob(jobs int) Flow {
	if jobs > 1 {
		f.IOPS /= float64(jobs)
		f.BytesPerSec /= float64(jobs)
		f.IOBytes /= int64(jobs)
		f.TotalIOs /= int64(jobs)
	}
	return f
}

// MiBPerSec is the bandwidth in MiB per second.
func (f Flow) MiBPerSec() float64 { return f.BytesPerSec / MiB }

// IOMiB is the amount read or written in MiB.
func (f Flow) IOMiB() float64 { return float64(f.IOBytes) / MiB }

// Active reports whether any I/O went this way.
func (f Flow) Active() bool { return f.IOBytes > 0 || f.IOPS > 0 }

// Summarize derives the numbers of a trial from its report.
func Summarize(report *fio.Report) Summary {
	s := Summary{FioVersion: report.Version, Jobs: len(report.Jobs)}
	var runtime time.Duration
	var read, write flowSum
	for _, job := range report.Jobs {
		read.add(job.Read)
		write.add(job.Write)
		runtime = max(runtime, job.Read.Runtime, job.Write.Runtime)
	}
	s.Read, s.Write, s.RuntimeMax = read.flow(), write.flow(), Duration(runtime)
	return s
}

// flowSum adds up one direction over jobs.
type flowSum struct {
	total     Flow
	clatSum   float64 // of mean × I/Os
	clatCount int64
	p99Sum    float64
	p99Jobs   int
}

func (s *flowSum) add(f fio.Flow) {
	s.total.IOPS += f.IOPS
	s.total.BytesPerSec += f.BytesPerSec
	s.total.IOBytes += f.IOBytes
	s.total.TotalIOs += f.TotalIOs
	s.clatSum += f.Clat.MeanNs * float64(f.Clat.N)
	s.clatCount += f.Clat.N
	if p99, ok := f.Clat.Percentile(99); ok && f.Clat.N > 0 {
		s.p99Sum += float64(p99)
		s.p99Jobs++
	}
}

func (s *flowSum) flow() Flow {
	f := s.total
	if s.clatCount > 0 {
		f.ClatMeanNs = s.clatSum / float64(s.clatCount)
	}
	if s.p99Jobs > 0 {
		f.ClatP99MeanNs = s.p99Sum / float64(s.p99Jobs)
	}
	return f
}
