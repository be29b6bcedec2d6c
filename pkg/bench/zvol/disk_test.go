package zvol

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"labctl/pkg/remote"
)

// playedHost answers with recorded looks, one after the other, and with a report of what a trial wrote.
type playedHost struct {
	looks  []string
	report string // of hold.pl after a trial
	fio    string
	events *[]string

	ended chan struct{}
}

func (h *playedHost) Run(context.Context, remote.Command) (remote.Output, error) {
	if len(h.looks) == 0 {
		return remote.Output{}, errors.New("there is no further look")
	}
	look := h.looks[0]
	h.looks = h.looks[1:]
	return remote.Output{Stdout: []byte(look)}, nil
}

func (h *playedHost) RunDetached(ctx context.Context, _ remote.Detached) (remote.DetachedResult, error) {
	select {
	case <-h.ended:
	case <-ctx.Done():
		return remote.DetachedResult{}, ctx.Err()
	}
	return remote.DetachedResult{Stdout: []byte(h.fio), Stderr: []byte(h.report)}, nil
}

func (h *playedHost) WriteFile(_ context.Context, _ string, _ fs.FileMode, content []byte) error {
	verdict, _, _ := strings.Cut(strings.TrimSpace(string(content)), " ")
	*h.events = append(*h.events, verdict)
	if verdict != "look" {
		close(h.ended)
	}
	return nil
}

// playedVM is a VM of the lab.
type playedVM struct {
	state  VMState
	events *[]string
	starts bool // somebody starts it after the first look
}

func (v *playedVM) State(context.Context) (VMState, error) { return v.state, nil }

func (v *playedVM) Stop(context.Context) error {
	*v.events = append(*v.events, "stop VM")
	v.state.Running = v.starts
	return nil
}

func readLook(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "situations", name+".look"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// reportOf is what hold.pl says after a trial.
func reportOf(lines ...string) string {
	text := ""
	for _, line := range append(lines, "end=1") {
		text += reportPrefix + line + "\n"
	}
	return "fio: a word of its own\n" + text
}

func fioReport(writtenBytes int, options string) string {
	return fmt.Sprintf(`{"fio version": "fio-3.33", "jobs": [{"jobname": "x", "groupid": 0, "error": 0, "elapsed": 1, "job options": {%s}, "write": {"io_bytes": %d, "bw": %d, "bw_bytes": %d, "iops": 1, "runtime": 1000, "total_ios": 1}}]}`, options, writtenBytes, writtenBytes>>10, writtenBytes)
}

// playing is a disk whose VM runs, with everything right unless looks say otherwise.
func playing(t *testing.T, looks ...string) (*Disk, *playedHost, *playedVM, *[]string) {
	t.Helper()
	s := recorded(t, "ok-ext4")
	events := &[]string{}
	host := &playedHost{looks: looks, events: events, ended: make(chan struct{}), fio: fioReport(4096, `"direct": "1"`)}
	host.report = reportOf("began=1000000000", "ended=3000000000", "zvol_id="+dataset, "grown=4096 "+dataset)
	s.vm.Running = true
	vm := &playedVM{state: s.vm, events: events}
	s.wanted.Seen = Identity{}
	return &Disk{Host: host, VM: vm, Wanted: s.wanted, Tell: func(string) {}}, host, vm, events
}

func TestTrialStopsTheVMAfterTheChecks(t *testing.T) {
	good := readLook(t, "ok-ext4")
	disk, _, _, events := playing(t, good, good)
	result, err := disk.Trial(t.Context(), remote.Detached{ID: "t"})
	if err != nil || string(result.Stderr) != "fio: a word of its own\n" || result.Ended.Sub(result.Started).Seconds() != 2 {
		t.Fatalf("%+v, %v", result, err)
	}
	if !slices.Equal(*events, []string{"stop VM", "look", "trial"}) || !disk.Emptied() || disk.Wanted.Token.Text == written {
		t.Errorf("events %v, emptied %v, token %s", *events, disk.Emptied(), disk.Wanted.Token.Text)
	}
}

// Whatever is wrong while the VM runs leaves the VM and its disk as they are.
func TestRefusalLeavesTheVMAlone(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "situations", "*.look"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".look")
		if name == "ok-ext4" || name == "ok-blank" || name == "enc-loaded" {
			continue
		}
		disk, _, _, events := playing(t, readLook(t, name))
		_, err := disk.Trial(t.Context(), remote.Detached{ID: "t"})
		var refused *RefusedError
		if !errors.As(err, &refused) || !slices.Equal(*events, []string{"end"}) || disk.Emptied() {
			t.Errorf("%s: events %v, %v", name, *events, err)
		}
	}
}

// What changes between the look at the running VM and the write is noticed.
func TestChangedMeanwhile(t *testing.T) {
	good := readLook(t, "ok-ext4")
	for name, second := range map[string]string{
		"another volume":  strings.Replace(good, "zfs_guid=9", "zfs_guid=8", 1),
		"another link":    readLook(t, "link-elsewhere-same"),
		"mounted":         readLook(t, "mounted"),
		"an opener":       readLook(t, "open-fd"),
		"no answer":       "",
		"another's disk":  strings.Replace(good, "token=labctl-token-0", "token=labctl-token-1", 1),
		"somebody's data": readLook(t, "xfs"),
	} {
		disk, _, _, events := playing(t, good, second)
		if _, err := disk.Trial(t.Context(), remote.Detached{ID: "t"}); err == nil || !slices.Equal(*events, []string{"stop VM", "look", "end"}) || disk.Emptied() {
			t.Errorf("%s: events %v, %v", name, *events, err)
		}
	}
	disk, _, vm, events := playing(t, good, good)
	vm.starts = true
	if _, err := disk.Trial(t.Context(), remote.Detached{ID: "t"}); err == nil || !strings.Contains(err.Error(), "VM 101 runs") || slices.Contains(*events, "trial") {
		t.Errorf("started again: events %v, %v", *events, err)
	}
}

// Numbers of a trial count only when its bytes are where they belong.
func TestAfterTheTrial(t *testing.T) {
	direct := `"direct": "1"`
	for name, test := range map[string]struct {
		fio, options, grown string
		more                []string
		running             bool
		problem             string
	}{
		"to the byte":           {options: direct, grown: "4096 " + dataset},
		"elsewhere":             {options: direct, grown: "4096 rpool/data/vm-999-disk-1", problem: "took 0; by ZFS's count these datasets were written: 4096 rpool/data/vm-999-disk-1"},
		"more than fio wrote":   {options: direct, grown: "8192 " + dataset, problem: "fio wrote 4096 bytes"},
		"less than fio wrote":   {options: direct, grown: "1 " + dataset, problem: "fio wrote 4096 bytes"},
		"buffered":              {grown: "2048 " + dataset},
		"buffered, nothing":     {grown: "0 " + dataset, problem: "fio wrote 4096 bytes"},
		"buffered, more":        {grown: "8192 " + dataset, problem: "fio wrote 4096 bytes"},
		"with a ramp":           {options: direct + `, "ramp_time": "5s"`, grown: "8192 " + dataset},
		"with a ramp, less":     {options: direct + `, "ramp_time": "5s"`, grown: "1 " + dataset, problem: "fio wrote 4096 bytes"},
		"fio failed":            {fio: "fio: job failed", grown: "1 " + dataset},
		"another device":        {options: direct, grown: "4096 " + dataset, more: []string{"zvol_id=rpool/data/vm-1-disk-0"}, problem: `the device is "rpool/data/vm-1-disk-0" now`},
		"others opened it":      {options: direct, grown: "4096 " + dataset, more: []string{"open=77 kvm"}, problem: "others opened the device meanwhile: 77 kvm"},
		"somebody started a VM": {options: direct, grown: "4096 " + dataset, running: true, problem: "somebody started VM 101 meanwhile"},
	} {
		t.Run(name, func(t *testing.T) {
			lines := append([]string{"grown=" + test.grown}, test.more...)
			if !strings.Contains(strings.Join(test.more, ""), "zvol_id") {
				lines = append(lines, "zvol_id="+dataset)
			}
			report, _, err := cutReport([]byte(reportOf(lines...)))
			if err != nil {
				t.Fatal(err)
			}
			output := test.fio
			if output == "" {
				output = fioReport(4096, test.options)
			}
			s := recorded(t, "ok-ext4")
			err = s.wanted.checkAfter(VMState{Running: test.running}, report, []byte(output))
			var wrong *WrongDiskError
			if test.problem == "" && err != nil || test.problem != "" && (!errors.As(err, &wrong) || !strings.Contains(err.Error(), test.problem)) {
				t.Errorf("error %v, want %q", err, test.problem)
			}
		})
	}
}

// A trial whose report is not there is none, whatever fio said.
func TestNoReport(t *testing.T) {
	good := readLook(t, "ok-ext4")
	disk, host, _, _ := playing(t, good, good)
	host.report = "fio: fine\n"
	if _, err := disk.Trial(t.Context(), remote.Detached{ID: "t"}); err == nil || !strings.Contains(err.Error(), "is not known") {
		t.Errorf("error %v", err)
	}
}
