package fio_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"labctl/pkg/fio"
)

// words makes a job of options as they stand on a command line.
func words(line string) fio.Job {
	var job fio.Job
	for word := range strings.FieldsSeq(line) {
		name, value, has := strings.Cut(word, "=")
		job.Options = append(job.Options, fio.Option{Name: name, Value: strings.ReplaceAll(value, "~", " "), HasValue: has})
	}
	return job
}

// TestCellSeesHostileJobs runs jobs that are refused: the cell must see what they do, or the tests below see nothing.
func TestCellSeesHostileJobs(t *testing.T) {
	c := newCell(t)
	for line, want := range map[string]string{
		"exec_prer=touch~/tmp/x":              "/bin/sh",
		"exec_postrun=true":                   "/bin/sh",
		"write_iol=/tmp/log":                  "/tmp/log",
		"write_lat_lo=/tmp/log":               "/tmp/log_lat.1.log",
		"buffer_pattern='/etc/shadow'":        "/etc/shadow",
		"ioengine=external:/x.so":             "/x.so",
		"mem=mmap:/tmp/map":                   "/tmp/map",
		"director=/tmp":                       "/tmp/a.0.0",
		"filename=/tmp/victim":                "/tmp/victim",
		"filename_format=../$jobname.$jobnum": "/a.0",
		"opendir=/tmp":                        "/tmp/victim",
	} {
		job := words("name=a rw=write size=16k " + line)
		if len(job.Check()) == 0 {
			t.Errorf("%s passes", line)
		}
		if outside := c.run(t, job, time.Minute); !slices.Contains(outside, want) {
			t.Errorf("%s is seen as %q, want %s", line, outside, want)
		}
	}
}

// TestAcceptedJobsStayInside runs every option that lab files may have, with the real fio.
func TestAcceptedJobsStayInside(t *testing.T) {
	c := newCell(t)
	used := map[string]bool{}
	for _, line := range strings.Split(strings.TrimSpace(acceptedJobs), "\n") {
		job := words(line)
		for _, problem := range job.Check() {
			t.Errorf("%s: %s: %s", line, problem.Option, problem.Problem)
		}
		stayedInside(t, c, job, time.Minute)
		if len(c.made(t)) == 0 && !strings.Contains(line, "unlink") {
			t.Errorf("%s made no file: fio did not run it", line)
		}
		for _, option := range job.Options {
			used[option.Name] = true
		}
	}
	for _, rule := range fio.OptionRules() {
		if rule.Refused() == "" && rule.Since == "" && rule.Until == "" && !used[rule.Name] {
			t.Errorf("%s is in no job", rule.Name)
		}
	}
}

// stayedInside runs a job: it opens nothing outside, and makes no file that the model does not know.
func stayedInside(t *testing.T, c cell, job fio.Job, limit time.Duration) {
	t.Helper()
	if outside := c.run(t, job, limit); len(outside) > 0 {
		t.Errorf("%q touches %q", job.Args(), outside)
	}
	names, err := job.FileNames()
	if err != nil {
		t.Errorf("%q: %v", job.Args(), err)
	}
	for _, name := range c.made(t) {
		if !slices.Contains(names, name) {
			t.Errorf("%q makes %s, which the model does not know", job.Args(), name)
		}
	}
}

// acceptedJobs has every option that all fio have, together with others.
const acceptedJobs = `
name=a rw=randrw bs=4k,8k ba=512 size=64k rwmixread=70 randrepeat=1 randseed=7 norandommap random_generator=lfsr percentage_random=50,100 group_reporting
name=b rw=write bsrange=4k-8k size=50k io_size=32k bs_unaligned=0 overwrite=1 fsync=2 end_fsync=1 fsync_on_close=1 create_fsync=1 create_serialize=0
name=c rw=randwrite bssplit=4k/50:8k/50 size=64k numjobs=3 nrfiles=2 openfiles=1 file_service_type=random:2 offset_increment=4k stonewall loops=2 thread
filename=data.bin name=d rw=randread size=64k iodepth=4 ioengine=libaio userspace_reap iodepth_batch=2 iodepth_batch_complete_min=1 iodepth_batch_complete_max=2 iodepth_low=1
filename_format=$jobname.x.$filenum name=e nrfiles=3 rw=write size=64k refill_buffers scramble_buffers=0 buffer_compress_percentage=50 buffer_compress_chunk=512 hugepage-size=2m
name=f rw=write size=64k verify=crc32c do_verify=1 verify_interval=4k verify_pattern=0xdead verify_fatal=1 verify_async=1 verify_backlog=4 verify_backlog_batch=2 experimental_verify=0 verify_offset=64
name=g rw=randread size=64k random_distribution=zipf:1.2 rate=1m rate_min=0,0 rate_process=poisson rate_cycle=100 rate_ignore_thinktime=1 thinktime=1us thinktime_spin=1us thinktime_blocks=8 thinktime_blocks_type=issue thinktime_iotime=1ms
name=h rw=write size=64k rate_iops=100000 rate_iops_min=0 max_latency=10s latency_target=5s latency_window=1s latency_percentile=99.9 latency_run=0
name=i rw=write size=16k time_based runtime=50ms ramp_time=10ms startdelay=10ms fdatasync=1 sync=dsync write_barrier=0 bwavgtime=100 iopsavgtime=100 clocksource=clock_gettime
name=j rw=read size=64k zonemode=strided zonesize=8k zonerange=16k zoneskip=16k number_ios=4 offset=0 offset_align=4k invalidate=0 pre_read=1 fadvise_hint=random
name=k rw=write size=64k mem=mmap lockmem=4k nice=1 prio=4 prioclass=2 cpus_allowed=0 cpus_allowed_policy=shared cpumask=1 lockfile=exclusive
name=l rw=write size=64k zero_buffers dedupe_percentage=50 dedupe_mode=repeat dedupe_working_set_percentage=10 exitall exit_what=group exitall_on_error new_group description=a~job,~with:~words
name=m rw=rw size=64k clat_percentiles=1 lat_percentiles=1 slat_percentiles=1 percentile_list=50:99:99.9 significant_figures=5 disk_util=0 unified_rw_reporting=both kb_base=1024 unit_base=8
name=n rw=write size=64k gtod_reduce=1 disable_lat=1 disable_clat=1 disable_slat=1 disable_bw_measurement=1 continue_on_error=all error_dump=0 ignore_error=ENOSPC per_job_logs=0
name=o rw=write size=64k log_avg_msec=10 log_hist_msec=10 log_hist_coarseness=1 log_max_value=1 log_offset=0 log_prio=0 log_unix_epoch=1 write_hint=short io_submit_mode=inline serialize_overlap=0
name=p rw=write size=64k direct=0 buffered=1 fallocate=posix file_append=0 create_on_open=0 fill_device=0 steadystate=iops:10% steadystate_duration=1s steadystate_ramp_time=1s flow_id=1 flow=1 flow_sleep=10
name=q rw=write size=64k filesize=64k rw_sequencer=sequential sync_file_range=write:8 verify_only=0 gtod_cpu=0 buffer_pattern=0xff
name=r rw=write size=64k ioengine=pvsync2 hipri=0 hipri_percentage=0 uncached=0 nowait=0 unlink=1 unlink_each_loop=0 atomic=0
name=s rw=write size=64k ioengine=io_uring force_async=1 registerfiles fixedbufs nonvectored=1 sqthread_poll=0 sqthread_poll_cpu=0 cmdprio_percentage=0 cmdprio_class=1 cmdprio=0 unlink=1
name=t rw=write size=64k ioengine=libaio cmdprio_bssplit=4k/50:8k/50 unlink=1
name=u rw=write size=64k ioengine=mmap thp=0 rwmixwrite=50
name=v rw=write size=64k numa_cpu_nodes=0 numa_mem_policy=local unlink=1
name=w rw=write size=64k log_compression=1m log_compression_cpus=0 log_store_compressed=0 verify_async_cpus=0 unlink=1`

// FuzzAcceptedJobs makes jobs of options and values, and runs with the real fio what Check lets through.
// What a job may say comes from picks: an option and a value of the vocabulary each, or the text as the value.
func FuzzAcceptedJobs(f *testing.F) {
	c := newCell(f)
	names, values := vocabulary()
	for i := range 6 {
		f.Add([]byte{byte(i), 1, byte(i + 3), byte(3 * i), 2, byte(i), byte(7 * i), 5, 250}, "4k")
	}
	f.Add([]byte{0, 0, 255}, "'/etc/shadow'")
	f.Fuzz(func(t *testing.T, picks []byte, text string) {
		var job fio.Job
		for ; len(picks) >= 3; picks = picks[3:] {
			pick := fio.Option{Name: names[(int(picks[0])+int(picks[1])<<8)%len(names)], Value: text, HasValue: picks[2]%16 != 1}
			if picks[2] != 255 {
				pick.Value = values[(int(picks[2])+int(picks[1])<<8)%len(values)]
			}
			if next := append(slices.Clone(job.Options), pick); len(fio.Job{Options: next}.Check()) == 0 && !slow(pick) {
				job.Options = next
			}
		}
		for _, least := range []fio.Option{option("name", "job"), option("rw", "randrw"), option("size", "32k")} {
			if next := append(slices.Clone(job.Options), least); len(fio.Job{Options: next}.Check()) == 0 {
				job.Options = next
			}
		}
		stayedInside(t, c, job, 2*time.Second)
	})
}

// slow says that an option makes more processes or files than a test waits for.
func slow(o fio.Option) bool {
	return slices.Contains([]string{"numjobs", "nrfiles", "nr_files", "loops"}, o.Name) && len(o.Value) > 1
}

// vocabulary are all names that fio or a hostile lab file knows, and values of every kind.
func vocabulary() (names, values []string) {
	for _, rule := range fio.OptionRules() {
		names = append(names, rule.Name)
		if rule.Alias != "" {
			names = append(names, rule.Alias)
		}
		if half := len(rule.Name) / 2; half > 2 {
			names = append(names, rule.Name[:len(rule.Name)-1], rule.Name[:half+1])
		}
		if rule.Refused() == "" {
			values = append(values, strings.Split(strings.Trim(rule.Pattern(), "^()$"), "|")...)
		}
	}
	for line := range strings.Lines(acceptedJobs) {
		for _, o := range words(line).Options {
			values = append(values, o.Value)
		}
	}
	values = append(values, strings.Fields(`/tmp/victim ../victim . .. - a:b /dev/sda ./x.so external:/x.so exec net '/etc/shadow' "'/etc/shadow' $jobname
		$ncpus (1+1) ; \n [global] --exec_prerun=sh %o 0 1 2 -1 99 100 1000 4k 1m 0x10 50% 4k-8k 1:2:3 1,2,3 read trim randwrite zbd global`)...)
	return names, slices.Compact(values)
}
