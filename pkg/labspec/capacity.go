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
	kept := map[string]int64{}
	for _, w := range l.Suite.Workloads {
		var total int64
		for name, bytes := range filesOf(w.Job) {
			total += bytes
			kept[name] = max(kept[name], bytes)
		}
		if Size(total) > need {
			need, whose = Size(total), "workload "+w.Name
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

// filesOf returns what a job leaves in its directory, with the size of each file in bytes; nil where that cannot be told
// from the options alone.
func filesOf(job fio.Job) map[string]int64 {
	names, err := job.FileNames()
	each, known := fileBytes(job)
	if _, other := job.Get("kb_base"); err != nil || !known || other {
		return nil
	}
	files := map[string]int64{}
	for _, name := range names {
		files[name] = each
	}
	return files
}

// fileBytes is the size of each file: filesize, or the share of size that one of the nrfiles has.
func fileBytes(job fio.Job) (int64, bool) {
	if size, ok := job.Get("filesize"); ok {
		return fioBytes(size)
	}
	size, _ := job.Get("size")
	bytes, known := fioBytes(size)
	text, ok := job.Get("nrfiles")
	if _, named := job.Get("filename"); !ok || named || !known {
		return bytes, known
	}
	count, err := strconv.ParseInt(text, 10, 32)
	if err != nil || count < 1 {
		return 0, false
	}
	return (bytes + count - 1) / count, true
}
