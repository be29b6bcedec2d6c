package baseline

import (
	"math"
	"slices"
	"time"

	"labctl/pkg/fio"
	"labctl/pkg/results"
	"labctl/pkg/results/measure"
)

// The numbers the blog's author published with his post, as his two result files give them: one repetition, fixed order,
// the PVE host and three VMs with 2, 4 and 8 GiB of memory. They were derived from his files with Summarize's rules
// and rounded to six decimals (latencies to three); the files themselves are not part of labctl.
// His charts show the second run, and of the 64 KiB workload the mean of the 16 jobs instead of their sum.

// Published returns the baselines that ship with labctl. The caller may change what it gets.
func Published() []results.Run {
	return []results.Run{
		blogRun("2023-08-23", time.Date(2023, 8, 23, 13, 52, 59, 0, time.UTC), time.Date(2023, 8, 23, 15, 0, 36, 0, time.UTC), 300*time.Second, blogAugust[:]),
		blogRun("2023-09-12", time.Date(2023, 9, 12, 11, 53, 40, 0, time.UTC), time.Date(2023, 9, 12, 12, 11, 51, 0, time.UTC), 30*time.Second, blogSeptember[:]),
	}
}

// The blog's workloads.
const (
	random4k  = "write-random-4kib-1x"
	random64k = "write-random-64kib-16x"
	random1m  = "write-random-1mib-1x"
)

// publishedTrial is one cell of a published table. Rates and amounts are totals over all jobs.
type publishedTrial struct {
	target, workload     string
	jobs                 int
	iops, mibPerSec, mib float64 // mib: of whole 4 KiB blocks
	clatMeanUs           float64 // weighted by I/Os
	clatP99MeanUs        float64 // mean of the jobs' p99
	runtimeMs            int64   // longest job
	fioVersion           string
}

var blogAugust = [...]publishedTrial{
	{"pve", random4k, 1, 39777.498209, 155.380852, 9324.871094, 24.151, 121.344, 60013, "fio-3.33"},
	{"pve", random64k, 16, 14212.528736, 888.283038, 56592.000000, 16961.262, 30425.088, 63945, "fio-3.33"},
	{"pve", random1m, 1, 1284.542646, 1284.542645, 81914.000000, 725.257, 1204.224, 63769, "fio-3.33"},
	{"2gb", random4k, 1, 51695.059230, 201.933825, 12171.359375, 16.749, 75.264, 60274, "fio-3.28"},
	{"2gb", random64k, 16, 14210.235859, 888.139733, 54704.562500, 17394.556, 51347.456, 61613, "fio-3.28"},
	{"2gb", random1m, 1, 907.388688, 907.388688, 56553.000000, 964.975, 1941.504, 62325, "fio-3.28"},
	{"4gb", random4k, 1, 55317.278212, 216.083117, 13108.898438, 15.055, 63.232, 60666, "fio-3.28"},
	{"4gb", random64k, 16, 15592.552180, 974.534506, 62096.000000, 15200.979, 55181.312, 63720, "fio-3.28"},
	{"4gb", random1m, 1, 906.619938, 906.619937, 58205.000000, 964.950, 1695.744, 64200, "fio-3.28"},
	{"8gb", random4k, 1, 55934.864377, 218.495564, 13186.425781, 14.506, 50.432, 60351, "fio-3.28"},
	{"8gb", random64k, 16, 14312.342778, 894.521418, 56390.437500, 16769.713, 81985.536, 63149, "fio-3.28"},
	{"8gb", random1m, 1, 1003.260670, 1003.260670, 65537.000000, 803.219, 8716.288, 65324, "fio-3.28"},
}

var blogSeptember = [...]publishedTrial{
	{"pve", random4k, 1, 29337.344184, 114.599000, 6885.910156, 33.070, 142.336, 60087, "fio-3.33"},
	{"pve", random64k, 16, 13530.204123, 845.637751, 54685.000000, 17554.039, 32980.992, 64945, "fio-3.33"},
	{"pve", random1m, 1, 1209.352270, 1209.352269, 77147.000000, 771.593, 1368.064, 63792, "fio-3.33"},
	{"2gb", random4k, 1, 54408.864715, 212.534627, 12855.582031, 15.499, 73.216, 60487, "fio-3.28"},
	{"2gb", random64k, 16, 14254.582539, 890.911402, 56778.000000, 16731.754, 51281.920, 63731, "fio-3.28"},
	{"2gb", random1m, 1, 924.419541, 924.419540, 57412.000000, 1015.457, 11075.584, 62106, "fio-3.28"},
	{"4gb", random4k, 1, 55851.562886, 218.170167, 13254.492188, 14.876, 62.208, 60753, "fio-3.28"},
	{"4gb", random64k, 16, 13466.488441, 841.655519, 54570.687500, 17369.981, 67796.992, 64839, "fio-3.28"},
	{"4gb", random1m, 1, 860.989212, 860.989211, 56505.000000, 1013.544, 12386.304, 65628, "fio-3.28"},
	{"8gb", random4k, 1, 60669.144678, 236.988846, 14504.902344, 13.475, 49.408, 61205, "fio-3.28"},
	{"8gb", random64k, 16, 14282.021572, 892.626343, 57327.437500, 16183.389, 87556.096, 64314, "fio-3.28"},
	{"8gb", random1m, 1, 912.718084, 912.718083, 56709.000000, 993.165, 19791.872, 62132, "fio-3.28"},
}

func blogRun(date string, created, finished time.Time, rest time.Duration, rows []publishedTrial) results.Run {
	run := results.Run{
		SchemaVersion: results.SchemaVersion, ID: "blog:" + date, Kind: results.KindPublished, Lab: "blog", Suite: blogSuite,
		Title: "Published by the blog, measured " + date, Created: created, Finished: finished, Status: results.StatusComplete,
		Workloads: blogWorkloads(), Blocks: 1, Rest: results.Duration(rest), FilePolicy: "reuse",
		Provenance: results.Provenance{Source: "result file of " + date + " that the blog's author published with his post; numbers only"},
		Notes: []string{
			"No O_DIRECT and no sync: the VMs' numbers are bound by page cache and write-back, the host's by ZFS dirty data.",
		},
	}
	for i, row := range rows {
		run.Trials = append(run.Trials, row.trial(i+1))
		if !slices.ContainsFunc(run.Targets, func(t results.Target) bool { return t.Name == row.target }) {
			run.Targets = append(run.Targets, results.Target{Name: row.target, Kind: blogTargetKind(row.target), Facts: map[string]string{"fio": row.fioVersion}})
		}
	}
	return run
}

func (row publishedTrial) trial(seq int) results.Trial {
	p99 := measure.ClatP99
	if row.jobs > 1 {
		p99 = measure.ClatP99Convention
	}
	set := &measure.Set{FioVersion: row.fioVersion, Jobs: row.jobs}
	for id, number := range map[measure.ID]float64{
		measure.IOPS: row.iops, measure.Bandwidth: row.mibPerSec * measure.MiB, measure.IOBytes: math.Round(row.mib*256) * 4096,
		measure.ClatMean: row.clatMeanUs * 1e3, p99: row.clatP99MeanUs * 1e3,
	} {
		set.Put(measure.Write, id, fio.Known(number))
	}
	set.Put(measure.Process, measure.Runtime, fio.Known(float64(row.runtimeMs)*1e6))
	return results.Trial{Seq: seq, Cell: results.Cell{Block: 1, Target: row.target, Workload: row.workload}, Attempt: 1, Measures: set}
}
