package zvol

import (
	"fmt"
	"slices"
	"strconv"

	"labctl/pkg/fio"
)

// FioDevice is the name by which fio gets the device that hold.pl holds: a descriptor that it inherits.
const FioDevice = "/dev/fd/20"

// OnDevice is a fio job that does on the held device what the given one does in files: every one of the numjobs has its own
// region, as it had its own file. NeedBytes is how much of the device it uses. A job that does not say how much it writes where
// is refused, and so is one that does not fit.
func OnDevice(job fio.Job, sizeBytes int64, bytesOf func(size string) (int64, bool)) (on fio.Job, needBytes int64, err error) {
	for _, option := range []string{"filename", "directory", "offset", "offset_increment", "filename_format", "nrfiles"} {
		if _, ok := job.Get(option); ok {
			return fio.Job{}, 0, fmt.Errorf("the option %s says where to write, which only labctl does on this layer", option)
		}
	}
	size, ok := job.Get("size")
	each, known := bytesOf(size)
	if !ok || !known || each <= 0 {
		return fio.Job{}, 0, fmt.Errorf("size %q: on this layer a workload has to say how much of the device it uses", size)
	}
	jobs := int64(1)
	if text, ok := job.Get("numjobs"); ok {
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil || n < 1 {
			return fio.Job{}, 0, fmt.Errorf("numjobs %q is not a number of jobs", text)
		}
		jobs = n
	}
	if each > sizeBytes/jobs {
		return fio.Job{}, 0, fmt.Errorf("%d jobs of %d bytes do not fit on a device of %d bytes", jobs, each, sizeBytes)
	}
	on = fio.Job{Options: slices.Clone(job.Options)}
	on.Options = append(on.Options,
		fio.Option{Name: "filename", Value: FioDevice, HasValue: true},
		fio.Option{Name: "offset_increment", Value: strconv.FormatInt(each, 10), HasValue: true},
		fio.Option{Name: "allow_file_create", Value: "0", HasValue: true}, // a device that is gone must not become a file in /dev
	)
	return on, jobs * each, nil
}
