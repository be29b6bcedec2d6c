package fio_test

import (
	"regexp"
	"strings"
	"testing"

	"labctl/pkg/fio"
)

func option(name, value string) fio.Option {
	return fio.Option{Name: name, Value: value, HasValue: true}
}

// TestOptionsStayTheJobs holds what no job from outside may say, whatever fio makes of it.
func TestOptionsStayTheJobs(t *testing.T) {
	for _, hostile := range []fio.Option{
		// abbreviations: getopt_long_only in fio's init.c takes every unambiguous one
		option("exec_prer", "touch x"), option("exec_po", "touch x"), option("ioen", "external:x.so"), option("write_iol", "x"),
		option("write_bw_lo", "x"), option("director", "/tmp"), option("filen", "/tmp/x"), option("trigger-fi", "x"), option("na", "x"),
		option("prof", "act"), option("cl", "host"), option("aux", "/tmp"), option("out", "x"), option("opend", "/"), option("b", "4k"),
		option("exec-prerun", "x"), option("EXEC_PRERUN", "x"), option("include", "x"), option("output-forma", "normal"),
		// what fio itself calls so
		option("directory", "/tmp"), option("exec_prerun", "x"), option("read_iolog", "x"), option("ioscheduler", "none"), option("cgroup", "x"),
		option("uid", "0"), option("profile", "act"), option("opendir", "."), option("verify_dump", "1"), option("verify_state_load", "1"),
		option("create_only", "1"), option("allow_mounted_write", "1"), option("client", "host"), option("debug", "all"), option("comm", "x"),
		// names of files
		option("name", "/tmp/x"), option("name", "../x"), option("name", "."), option("name", ".."), option("name", "-"), option("name", ""),
		option("name", "a/b"), option("name", "a b"), option("name", "a\nb"), option("name", "[global]"), option("name", "global"), option("name", "a;b"),
		option("filename", "/dev/sda"), option("filename", "../x"), option("filename", "-"), option("filename", "a:b"), option("filename", "a/b"),
		option("filename", "."), option("filename", ".."), option("filename", "$jobname"), option("filename", `a\:b`),
		option("filename_format", "/tmp/$jobname"), option("filename_format", "../$jobnum"), option("filename_format", "."), option("filename_format", "$clientuid"),
		option("filename_format", "a:b"),
		// engines and memory
		option("ioengine", "external:/tmp/x.so"), option("ioengine", "./x.so"), option("ioengine", "exec"), option("ioengine", "net"), option("ioengine", "null"),
		option("ioengine", "filedelete"), option("ioengine", "libaio:x"), option("ioengine", "sg"), option("ioengine", "LIBAIO"),
		option("mem", "mmap:/tmp/x"), option("iomem", "mmapshared:/tmp/x"), option("mem", "mmaphuge:/dev/x"), option("mem", "cudamalloc"),
		// patterns of files
		option("buffer_pattern", "'/etc/shadow'"), option("verify_pattern", "'/etc/shadow'"), option("verify_pattern", `"a"'/etc/shadow'`), option("buffer_pattern", "%o"),
		// expressions, variables, further options
		option("size", "$mb_memory"), option("iodepth", "$ncpus*2"), option("size", "(1024*4)"), option("bs", "4k;exec_prerun=x"), option("bs", "4k\nexec_prerun=x"),
		option("size", "${HOME}"), option("size", "1g --exec_prerun=x"), option("bs", "[global]"), option("description", "$(touch x)"), option("description", "a;b"),
		option("description", "`x`"), option("size", ""), option("size", "2z"), option("bs", ","),
		// what files cannot do
		option("rw", "trim"), option("rw", "randtrim"), option("readwrite", "trimwrite"), option("rw", "randtrimwrite"), option("zonemode", "zbd"), option("trim_percentage", "10"),
		// a value that getopt would take from the next option
		{Name: "bs"},
		{Name: "name"},
		{Name: "filename"},
		{Name: "direct"},
		{Name: "ioengine"},
		// numbers out of their range
		option("numjobs", "0"), option("numjobs", "-1"), option("numjobs", "100000000"), option("rwmixread", "101"), option("nice", "-21"), option("direct", "2"),
		option("size", "16GiB"), option("bs", "4Ki"), option("iodepth", "99999999"),
	} {
		if problems := (fio.Job{Options: []fio.Option{hostile}}).Check(); len(problems) == 0 {
			t.Errorf("%s passes", hostile)
		} else if problems[0].Problem == "" {
			t.Errorf("%s is refused without a reason", hostile)
		}
	}
}

// TestOptionsOfOrdinaryJobs passes what people write.
func TestOptionsOfOrdinaryJobs(t *testing.T) {
	for _, line := range []string{
		"name=random-write ioengine=posixaio rw=randwrite bs=4k size=4g numjobs=1 iodepth=1 runtime=60 time_based end_fsync=1",
		"rw=randrw rwmixread=70 bs=4k,8k size=50% io_size=10G runtime=5m ramp_time=500ms group_reporting thread norandommap=1",
		"rw=randread:8 bssplit=4k/50:64k/50,8k/100 percentile_list=50:99:99.9:99.99 random_distribution=zipf:1.2 randseed=0x89",
		"rw=write bsrange=4k-64k,8k-128k rate=1m,,2m rate_iops=100 thinktime=10ms fdatasync=1 sync=dsync fallocate=none",
		"rw=rw ioengine=io_uring hipri sqthread_poll=1 registerfiles fixedbufs cpus_allowed=0,2-3 numa_mem_policy=bind:0-1",
		"rw=write verify=crc32c verify_pattern=0xdeadbeef buffer_pattern=\"abc\" do_verify=0 filesize=1m-2m nrfiles=4 file_service_type=random:2",
		"filename=data.bin refill_buffers buffer_compress_percentage=50 dedupe_percentage=10 steadystate=iops_slope:0.3% steadystate_duration=30s",
		"filename_format=$jobname.$jobnum.bin numjobs=4 offset_increment=1g stonewall loops=2 sync_file_range=write:8 latency_percentile=99.9",
		"mem=mmap hugepage-size=2m lockmem=1g nice=-5 prio=4 startdelay=5-10 latency_target=5ms max_latency=1s zonemode=strided zonesize=1m zoneskip=1m",
		"ignore_error=EAGAIN,ENOSPC:125 continue_on_error=all random_distribution=zoned:60/10:40/90 percentage_random=50,0 unified_rw_reporting=both",
	} {
		var job fio.Job
		for word := range strings.FieldsSeq(line) {
			name, value, has := strings.Cut(word, "=")
			job.Options = append(job.Options, fio.Option{Name: name, Value: value, HasValue: has})
		}
		for _, problem := range job.Check() {
			t.Errorf("%s: %s: %s: %s", line, problem.Option, problem.Problem, problem.Remedy)
		}
	}
}

// TestOptionRules holds the table: every kind is one that labctl reads, every refusal has a reason, and no allowed
// name is short for a refused one where a fio does not know it in full.
func TestOptionRules(t *testing.T) {
	rules := fio.OptionRules()
	for _, rule := range rules {
		if rule.Refused() != "" {
			continue
		}
		if _, err := regexp.Compile(rule.Pattern()); err != nil || strings.Contains(rule.Pattern(), `^\s\S`) {
			t.Errorf("%s has no kind that is known: %s, %v", rule.Name, rule.Pattern(), err)
		}
		if rule.Values() == "" {
			t.Errorf("%s does not say what it takes", rule.Name)
		}
		for _, value := range []string{"/etc/passwd", "../x", "'x'", "$ncpus", "a;b", "a\nb", "(1)", "[x]", "`x`", "{x}", "x=y", "#", "-", "."} {
			if problem := rule.Check(option(rule.Name, value)); problem == nil && !(rule.Name == "description" && len(value) == 1 && value != "#") {
				t.Errorf("%s takes %q", rule.Name, value)
			}
		}
		if rule.Since == "" && rule.Until == "" {
			continue
		}
		for _, other := range rules {
			if other.Refused() != "" && strings.HasPrefix(other.Name, rule.Name) {
				t.Errorf("a fio without %s takes it for %s", rule.Name, other.Name)
			}
		}
	}
}
