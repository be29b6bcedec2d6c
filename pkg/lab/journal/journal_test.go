package journal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// begun opens a fresh journal with a lab run in it.
func begun(t *testing.T) (*Journal, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lab", "journal.jsonl")
	j, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	if err := j.Begin(Begin{RunID: "r1", Lab: "demo", Version: "test", Expires: time.Unix(0, 0).UTC()}); err != nil {
		t.Fatal(err)
	}
	return j, path
}

func intend(t *testing.T, j *Journal, op Op, vm string, vmid int) int {
	t.Helper()
	seq, err := j.Intend(Intent{Op: op, VM: vm, Node: "pve", VMID: vmid})
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

func TestReplayTellsWhatMayExist(t *testing.T) {
	j, path := begun(t)
	finish := func(intent int, result Result, failure error) {
		t.Helper()
		if err := j.Finished(intent, result, failure); err != nil {
			t.Fatal(err)
		}
	}
	refused := intend(t, j, OpClone, "2gb", 9100)
	finish(refused, ResultRefused, errors.New("config file already exists"))
	done := intend(t, j, OpClone, "2gb", 9101)
	if err := j.Started(done, "UPID:pve:1"); err != nil {
		t.Fatal(err)
	}
	finish(done, ResultDone, nil)
	lost := intend(t, j, OpClone, "4gb", 9102)
	finish(lost, ResultUnknown, errors.New("EOF"))
	failed := intend(t, j, OpClone, "8gb", 9103)
	finish(failed, ResultFailed, errors.New("storage full"))
	open := intend(t, j, OpConfigure, "2gb", 9101)
	if err := j.Started(open, "UPID:pve:2"); err != nil {
		t.Fatal(err)
	}
	if err := j.Learn("2gb", map[string]string{"address": "10.0.0.1"}); err != nil {
		t.Fatal(err)
	}

	state, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if !state.Active() || state.Run.RunID != "r1" {
		t.Errorf("run = %+v, active %v", state.Run, state.Active())
	}
	var touched []int
	for _, vm := range state.Touched() {
		touched = append(touched, vm.VMID)
	}
	if diff := cmp.Diff([]int{9101, 9102, 9103}, touched); diff != "" {
		t.Errorf("touched VMIDs (-want +got): a refused clone made nothing\n%s", diff)
	}
	if vm, ok := state.VM("2gb"); !ok || vm.VMID != 9101 || !vm.Has(OpClone) || vm.Has(OpConfigure) {
		t.Errorf("VM 2gb = %+v", vm)
	}
	var unknown []string
	for _, o := range state.Open {
		unknown = append(unknown, string(o.Op)+" "+o.VM+" "+o.UPID)
	}
	if diff := cmp.Diff([]string{"clone 4gb ", "configure 2gb UPID:pve:2"}, unknown); diff != "" {
		t.Errorf("open intents (-want +got)\n%s", diff)
	}
	if got := state.Fact("2gb", "address"); got != "10.0.0.1" {
		t.Errorf("fact = %q", got)
	}
}

// The task list may name VMIDs before the run clones to them. A VM is found where the run made it last, whatever was listed,
// probed or tried before.
func TestAVMIsFoundWhereTheRunMadeItLast(t *testing.T) {
	type step func(t *testing.T, j *Journal)
	listed := func(vmid int) step {
		return func(t *testing.T, j *Journal) { must(t, j.List(Listed{Node: "pve", VMID: vmid})) }
	}
	traced := func(vmid int) step { // as format 2 wrote it
		return func(t *testing.T, j *Journal) { must(t, j.Finished(intend(t, j, OpTraced, "", vmid), ResultDone, nil)) }
	}
	change := func(op Op, vm string, vmid int, result Result) step {
		return func(t *testing.T, j *Journal) { must(t, j.Finished(intend(t, j, op, vm, vmid), result, nil)) }
	}
	for name, test := range map[string]struct {
		steps []step
		want  int // 0: not found
	}{
		"listed before":            {[]step{listed(9100), change(OpClone, "a", 9100, ResultDone)}, 9100},
		"traced before":            {[]step{traced(9100), change(OpClone, "a", 9100, ResultDone)}, 9100},
		"probed before":            {[]step{change(OpProbe, "9100", 9100, ResultDone), change(OpClone, "a", 9100, ResultDone)}, 9100},
		"listed, then second try":  {[]step{listed(9101), change(OpClone, "a", 9100, ResultRefused), change(OpClone, "a", 9101, ResultDone)}, 9101},
		"another VM's VMID before": {[]step{change(OpClone, "b", 9100, ResultRefused), change(OpClone, "a", 9100, ResultDone)}, 9100},
		"only listed":              {[]step{listed(9100)}, 0},
		"only probed":              {[]step{change(OpProbe, "a", 9100, ResultDone)}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			j, path := begun(t)
			for _, step := range test.steps {
				step(t, j)
			}
			state, err := Read(path)
			must(t, err)
			if vm, ok := state.VM("a"); vm.VMID != test.want || ok != (test.want != 0) {
				t.Errorf("VM a = %+v, %v", vm, ok)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestEndClosesTheRun(t *testing.T) {
	j, path := begun(t)
	if err := j.End(); err != nil {
		t.Fatal(err)
	}
	if state, err := Read(path); err != nil || state.Active() {
		t.Errorf("active after End: %v, %v", state, err)
	}
}

func TestMissingJournalIsEmpty(t *testing.T) {
	state, err := Read(filepath.Join(t.TempDir(), "none"))
	if err != nil || state.Active() || len(state.VMs) != 0 {
		t.Errorf("state %+v, error %v", state, err)
	}
}

func TestOpenDropsOnlyATornTail(t *testing.T) {
	j, path := begun(t)
	intend(t, j, OpClone, "2gb", 9100)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(whole, []byte("\n"))
	for _, tail := range []string{"{", `{"seq":3,"intent":{"op":"start"`, "\x00\x00\x00", string(bytes.TrimSpace(lines[1]))} {
		if err := os.WriteFile(path, append(bytes.Clone(whole), tail...), 0o600); err != nil {
			t.Fatal(err)
		}
		again, err := Open(path)
		if err != nil {
			t.Errorf("tail %q: %v", tail, err)
			continue
		}
		next := intend(t, again, OpStart, "2gb", 9100)
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
		state, err := Read(path)
		if err != nil || next != 3 || len(state.Open) != 2 {
			t.Errorf("tail %q: next entry %d, state %+v, error %v", tail, next, state, err)
		}
	}
}

func TestDamageIsAnError(t *testing.T) {
	j, path := begun(t)
	intend(t, j, OpClone, "2gb", 9100)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		text []byte
		line int
	}{
		"first line":              {bytes.Replace(whole, []byte(`{"seq":1`), []byte(`{"seq":x`), 1), 1},
		"last line":               {bytes.Replace(whole, []byte(`{"seq":2`), []byte(`{"seq":x`), 1), 2},
		"a line that says nought": {append(bytes.Clone(whole), "garbage\n"...), 3},
		"the only line":           {[]byte("garbage\n"), 1},
	} {
		if err := os.WriteFile(path, test.text, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err = Open(path)
		var corrupt *CorruptError
		if !errors.As(err, &corrupt) || corrupt.Line != test.line || !strings.Contains(err.Error(), "labctl down") {
			t.Errorf("%s: error %v", name, err)
		}
		if data, err := os.ReadFile(path); err != nil || !bytes.Equal(data, test.text) {
			t.Errorf("%s: the file was changed: %v", name, err)
		}
	}
}

func TestNewerFormatIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	line := `{"seq":1,"time":"2030-01-01T00:00:00Z","begin":{"format":99,"run":"r","labctl":"v9"}}` + "\n"
	if err := os.WriteFile(path, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, read := range map[string]func() error{
		"Open":    func() error { _, err := Open(path); return err },
		"Read":    func() error { _, err := Read(path); return err },
		"Salvage": func() error { _, err := Salvage(path); return err }, // it is not damaged
	} {
		var newer *NewerError
		if err := read(); !errors.As(err, &newer) || newer.Version != "v9" || newer.Format != 99 || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != line {
		t.Errorf("the journal was changed: %v, %s", err, data)
	}
}

func TestSecondProcessIsTurnedAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "demo.lock")
	first, err := Acquire(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Acquire(path)
	var busy *BusyError
	if !errors.As(err, &busy) || busy.PID != os.Getpid() {
		t.Errorf("second Acquire: %v", err)
	}
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	again, err := Acquire(path)
	if err != nil {
		t.Fatalf("after Release: %v", err)
	}
	if err := again.Release(); err != nil {
		t.Fatal(err)
	}
}

// Whoever asks whether a lock is held has it shared for a moment. That is no process at work.
func TestAskingForALockKeepsNobodyOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lab.lock")
	for _, asks := range []time.Duration{0, 30 * time.Millisecond} {
		file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Flock(int(file.Fd()), unix.LOCK_SH); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(asks, func() { _ = file.Close() })
		lock, err := Acquire(path)
		if err != nil {
			t.Fatalf("somebody asked for %s: %v", asks, err)
		}
		if held, err := Held(path); err != nil || !held {
			t.Errorf("held %v, error %v", held, err)
		}
		if err := lock.Release(); err != nil {
			t.Fatal(err)
		}
	}
}

// Whatever a crash cuts off, replay is that of a prefix of the entries.
func TestEveryCutIsAPrefix(t *testing.T) {
	j, path := begun(t)
	for i, op := range []Op{OpClone, OpConfigure, OpStart} {
		seq := intend(t, j, op, "2gb", 9100)
		if err := j.Finished(seq, ResultDone, nil); err != nil {
			t.Fatal(i, err)
		}
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "cut")
	rapid.Check(t, func(t *rapid.T) {
		cut := rapid.IntRange(0, len(whole)).Draw(t, "cut")
		if err := os.WriteFile(copied, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		state, err := Read(copied)
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		if want := bytes.Count(whole[:cut], []byte("\n")); state.lastSeq != want {
			t.Fatalf("cut at %d: %d entries, want %d", cut, state.lastSeq, want)
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"seq":1,"begin":{"format":1,"run":"r"}}` + "\n" + `{"seq":2,"intent":{"op":"clone","vmid":1}}` + "\n"))
	f.Add([]byte(`{"seq":2,"outcome":{"intent":1,"result":"done"}}` + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "j")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		state, err := Read(path)
		if (state == nil) == (err == nil) {
			t.Fatalf("state %v, error %v", state, err)
		}
	})
}

// fullDisk is a file on a disk that gets full in the middle of a write.
type fullDisk struct {
	*os.File
	room   int // bytes that still fit; negative is plenty
	sync   error
	broken bool // not even truncating works
}

func (d *fullDisk) Write(data []byte) (int, error) {
	if d.room < 0 || len(data) <= d.room {
		return d.File.Write(data)
	}
	n, err := d.File.Write(data[:d.room])
	return n, errors.Join(err, errors.New("no space left on device"))
}

func (d *fullDisk) Sync() error { return errors.Join(d.sync, d.File.Sync()) }

func (d *fullDisk) Truncate(size int64) error {
	if d.broken {
		return errors.New("input/output error")
	}
	return d.File.Truncate(size)
}

func TestFullDiskDoesNotDamageTheJournal(t *testing.T) {
	j, path := begun(t)
	plain, ok := j.file.(*os.File)
	if !ok {
		t.Fatal("the journal is no file")
	}
	disk := &fullDisk{File: plain, room: 10}
	j.file = disk
	if _, err := j.Intend(Intent{Op: OpClone, VM: "2gb", VMID: 9100}); err == nil || !strings.Contains(err.Error(), "free space") {
		t.Errorf("error %v", err)
	}
	disk.room, disk.sync = -1, errors.New("input/output error")
	if _, err := j.Intend(Intent{Op: OpClone, VM: "2gb", VMID: 9101}); err == nil {
		t.Error("an entry that was not synced counts as written")
	}
	disk.sync = nil
	if seq := intend(t, j, OpClone, "2gb", 9102); seq != 4 {
		t.Errorf("entry %d: numbers of lost entries are used again", seq)
	}
	state, err := Read(path)
	if err != nil || len(state.Touched()) != 1 || state.Touched()[0].VMID != 9102 {
		t.Errorf("state %+v, error %v", state, err)
	}
	disk.room, disk.broken = 10, true
	if _, err := j.Intend(Intent{Op: OpClone, VM: "4gb", VMID: 9103}); err == nil {
		t.Error("half a line was accepted")
	}
	disk.room, disk.broken = -1, false
	if _, err := j.Intend(Intent{Op: OpClone, VM: "4gb", VMID: 9104}); err == nil || !strings.Contains(err.Error(), "could not be repaired") {
		t.Errorf("a broken journal goes on: %v", err)
	}
}

func TestDetachedCommandsAreRemembered(t *testing.T) {
	j, path := begun(t)
	for _, id := range []string{"run-001", "run-002"} {
		if err := j.Detach("pve", id); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Attached("run-001"); err != nil {
		t.Fatal(err)
	}
	state, err := Read(path)
	if diff := cmp.Diff(map[string]string{"run-002": "pve"}, state.Detached); diff != "" || err != nil {
		t.Errorf("detached (-want +got)\n%s%v", diff, err)
	}
}

func TestOpenIntentsKeepTheirTime(t *testing.T) {
	j, path := begun(t)
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	j.now = func() time.Time { return at }
	intend(t, j, OpClone, "2gb", 9100)
	state, err := Read(path)
	if err != nil || len(state.Open) != 1 || !state.Open[0].Time.Equal(at) {
		t.Errorf("state %+v, error %v", state, err)
	}
}

// An upload belongs to no VMID; it stays known until its removal is done.
func TestUploadsAreRemembered(t *testing.T) {
	j, path := begun(t)
	const volume = "local:iso/seed.iso"
	upload := func(op Op, result Result) {
		t.Helper()
		intent, err := j.Intend(Intent{Op: op, VM: "2gb", Node: "pve", Volume: volume})
		if err != nil {
			t.Fatal(err)
		}
		if result == "" {
			return
		}
		if err := j.Finished(intent, result, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		op     Op
		result Result
		known  int
	}{
		{OpUpload, ResultRefused, 0},
		{OpUpload, "", 1},
		{OpUpload, ResultUnknown, 1},
		{OpUpload, ResultDone, 1},
		{OpFree, ResultFailed, 1},
		{OpFree, "", 1},
		{OpFree, ResultDone, 0},
	} {
		upload(step.op, step.result)
		state, err := Read(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := state.Uploads(); len(got) != step.known || (step.known == 1 && (got[0].Volume != volume || got[0].Node != "pve" || got[0].VM != "2gb")) {
			t.Errorf("after %s %s: uploads %+v", step.op, step.result, got)
		}
		if len(state.VMs) != 0 {
			t.Errorf("after %s: an upload became a VM: %+v", step.op, state.VMs)
		}
	}
}
