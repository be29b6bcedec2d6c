package zvol

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"labctl/pkg/fio"
)

// reportPrefix begins the lines that hold.pl adds to what fio says.
const reportPrefix = "labctl-hold "

// cutReport separates hold.pl's report from what fio said.
func cutReport(stderr []byte) (report Look, rest []byte, err error) {
	var ours strings.Builder
	for line := range bytes.Lines(stderr) {
		if text, ok := bytes.CutPrefix(line, []byte(reportPrefix)); ok {
			ours.Write(text)
		} else {
			rest = append(rest, line...)
		}
	}
	report, err = ParseLook(ours.String())
	return report, rest, err
}

// times are when fio ran, by the host's clock.
func (l Look) times() (began, ended time.Time) {
	from, _ := l.number("began")
	to, _ := l.number("ended")
	return time.Unix(0, from), time.Unix(0, to)
}

// grown is how many bytes a dataset took during the trial.
func (l Look) grown(dataset string) int64 {
	for _, line := range l.all("grown") {
		bytes, name, _ := strings.Cut(line, " ")
		if n, err := strconv.ParseInt(bytes, 10, 64); err == nil && name == dataset {
			return n
		}
	}
	return 0
}

// WrongDiskError says that the trial's bytes are not where they belong, or that others came between. Its numbers are of
// no use.
type WrongDiskError struct{ Problems []string }

// Error names the disks.
func (e *WrongDiskError) Error() string {
	return "the trial is invalid: " + strings.Join(e.Problems, "; ")
}

// checkAfter compares what ZFS counted with what fio says to have written. The two are equal to the byte for direct I/O (OpenZFS
// 2.3.2, kstat objset nwritten); the page cache may write a block that was changed twice once, and a ramp time is not in
// fio's bytes.
func (w Wanted) checkAfter(vm VMState, after Look, stdout []byte) error {
	var problems []string
	dataset := strings.TrimPrefix(w.Device, "/dev/zvol/")
	if after.one("zvol_id") != dataset {
		problems = append(problems, fmt.Sprintf("the device is %q now, it was %s", after.one("zvol_id"), dataset))
	}
	if open := after.all("open"); len(open) > 0 {
		problems = append(problems, "others opened the device meanwhile: "+list(open))
	}
	if vm.Running {
		problems = append(problems, fmt.Sprintf("somebody started VM %d meanwhile", w.VMID))
	}
	took := after.grown(dataset)
	if problem := misplaced(stdout, took); problem != "" {
		problems = append(problems, fmt.Sprintf("%s, and %s took %d; by ZFS's count these datasets were written: %s", problem, dataset, took, list(after.all("grown"))))
	}
	if len(problems) > 0 {
		return &WrongDiskError{Problems: problems}
	}
	return nil
}

// misplaced says how much fio wrote when a disk that took so many bytes cannot be the one that it wrote to.
func misplaced(stdout []byte, took int64) string {
	report, err := fio.ParseReport(stdout)
	if err != nil {
		return "" // fio failed, which is said elsewhere
	}
	direct, ramp, written := true, false, int64(0)
	for _, job := range report.Jobs {
		written += int64(job.Write.IOBytes.Or(0))
		direct = direct && option(report, job, "direct") == "1"
		ramp = ramp || strings.Trim(option(report, job, "ramp_time"), "0s") != ""
	}
	fits := took == written
	switch {
	case ramp:
		fits = took >= written || !direct && took > 0
	case !direct:
		fits = took <= written && (took > 0 || written == 0)
	}
	if fits {
		return ""
	}
	return fmt.Sprintf("fio wrote %d bytes", written)
}

// option is an option of a job, or of all jobs.
func option(report *fio.Report, job fio.JobResult, name string) string {
	if value, ok := job.Options[name]; ok {
		return value
	}
	return report.GlobalOptions[name]
}
