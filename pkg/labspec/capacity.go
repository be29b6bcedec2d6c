package labspec

import (
	"fmt"
	"strconv"

	"labctl/pkg/fio"
)

// fillPercent is how much of a disk fio's files may take; the rest is for the file system itself.
const fillPercent = 90

// FileBytes is how much room fio's files take at most on a target, and of what. Fresh files exist for one workload at a
// time; reused ones pile up, those of one name counting once, at their largest. What the options alone do not tell, such
// as a size in percent, is not counted.
func (l *Lab) FileBytes() (need Size, whose string) {
	kept := map[fioFile]int64{}
	for _, w := range l.Suite.Workloads {
		name, count, bytes, known := filesOf(w.Job)
		if !known {
			continue
		}
		if total := Size(int64(count) * bytes); total > need {
			need, whose = total, "workload "+w.Name
		}
		for i := range count {
			file := fioFile{name, i}
			kept[file] = max(kept[file], bytes)
		}
	}
	if l.Suite.Files == FilesReuse && len(l.Suite.Workloads) > 1 {
		need, whose = 0, "all workloads together"
		for _, bytes := range kept {
			need += Size(bytes)
		}
	}
	return need, whose
}

// checkCapacity compares the files of the workloads with the data disks.
func checkCapacity(l *Lab, report reporter) {
	need, whose := l.FileBytes()
	for i, vm := range l.VMs {
		size := vm.DataDisk.Size
		if size == 0 || need <= size/100*fillPercent {
			continue
		}
		report(fmt.Sprintf("%s is too small: the files of %s take %s, which is more than %d %%", size, whose, need, fillPercent),
			fmt.Sprintf("write %s or more, or make size × numjobs smaller", enough(int64(need))), vmPath(i, "dataDisk.size"))
	}
}

// enough is the smallest size in whole GiB of which need is at most fillPercent.
func enough(need int64) Size {
	wanted := Size(need/fillPercent*100 + 100)
	return (wanted + GiB - 1) / GiB * GiB
}

// fioFile names one file that fio makes: by default NAME.JOB.0 for each of the numjobs.
type fioFile struct {
	name string
	job  int
}

// maxJobs is the most that fio runs at once by default (its option max-jobs).
const maxJobs = 4096

// filesOf returns what a job leaves in its directory: count files of one name, each of the given bytes. It is false
// where that cannot be told from the options alone.
func filesOf(job fio.Job) (name string, count int, bytes int64, known bool) {
	size, ok := job.Get("size")
	if !ok {
		size, _ = job.Get("filesize")
	}
	bytes, known = fioBytes(size)
	if _, other := job.Get("kb_base"); !known || other {
		return "", 0, 0, false
	}
	if name, ok = job.Get("filename"); ok { // all numjobs share it
		return "=" + name, 1, bytes, true
	}
	count = 1
	if jobs, ok := job.Get("numjobs"); ok {
		n, err := strconv.Atoi(jobs)
		if err != nil || n < 1 || n > maxJobs {
			return "", 0, 0, false
		}
		count = n
	}
	name, _ = job.Get("name")
	return name, count, bytes, true
}
