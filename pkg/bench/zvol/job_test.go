package zvol

import (
	"strings"
	"testing"

	"labctl/pkg/fio"
)

func TestOnDevice(t *testing.T) {
	bytesOf := func(text string) (int64, bool) {
		return map[string]int64{"4g": 4 << 30, "64g": 64 << 30}[text], text != ""
	}
	option := func(name, value string) fio.Option { return fio.Option{Name: name, Value: value, HasValue: true} }
	job := func(options ...fio.Option) fio.Job { return fio.Job{Options: options} }
	tests := map[string]struct {
		job           fio.Job
		want, problem string
	}{
		"one job":      {job(option("rw", "randwrite"), option("size", "4g")), "fio --rw=randwrite --size=4g --filename=/dev/fd/20 --offset_increment=4294967296 --allow_file_create=0 --output-format=json+", ""},
		"many jobs":    {job(option("size", "4g"), option("numjobs", "16")), "fio --size=4g --numjobs=16 --filename=/dev/fd/20 --offset_increment=4294967296 --allow_file_create=0 --output-format=json+", ""},
		"too many":     {job(option("size", "4g"), option("numjobs", "17")), "", "do not fit"},
		"too large":    {job(option("size", "64g"), option("numjobs", "2")), "", "do not fit"},
		"no size":      {job(option("rw", "randwrite")), "", "how much of the device"},
		"odd size":     {job(option("size", "100%")), "", "how much of the device"},
		"own file":     {job(option("size", "4g"), option("filename", "/dev/sda")), "", "only labctl does"},
		"own offset":   {job(option("size", "4g"), option("offset", "1g")), "", "only labctl does"},
		"odd numjobs":  {job(option("size", "4g"), option("numjobs", "x")), "", "is not a number of jobs"},
		"zero numjobs": {job(option("size", "4g"), option("numjobs", "0")), "", "number of jobs"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			on, _, err := OnDevice(test.job, 64*gib, bytesOf)
			if test.problem != "" {
				if err == nil || !strings.Contains(err.Error(), test.problem) {
					t.Errorf("error %v, want %q", err, test.problem)
				}
				return
			}
			if err != nil || on.CommandLine() != test.want {
				t.Errorf("got  %s, %v\nwant %s", on.CommandLine(), err, test.want)
			}
		})
	}
}
