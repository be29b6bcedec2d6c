package journal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// vmids are the VMIDs of which something may exist.
func vmids(state *State) []int {
	var all []int
	for _, vm := range state.Touched() {
		all = append(all, vm.VMID)
	}
	return all
}

// damage makes the numbered lines (from 1) of a journal unreadable.
func damage(whole []byte, numbers ...int) []byte {
	lines := bytes.SplitAfter(whole, []byte("\n"))
	for _, number := range numbers {
		lines[number-1] = []byte("{\x00\n")
	}
	return bytes.Join(lines, nil)
}

func TestSalvageReadsAroundTheDamage(t *testing.T) {
	j, path := begun(t) // line 1
	refused := intend(t, j, OpClone, "2gb", 9100)
	if err := j.Finished(refused, ResultRefused, nil); err != nil {
		t.Fatal(err)
	}
	done := intend(t, j, OpClone, "2gb", 9101) // line 4
	if err := j.Finished(done, ResultDone, nil); err != nil {
		t.Fatal(err)
	}
	if err := j.Detach("pve", "run-001"); err != nil { // line 6
		t.Fatal(err)
	}
	if err := j.Attached("run-001"); err != nil {
		t.Fatal(err)
	}
	if err := j.End(); err != nil { // line 8
		t.Fatal(err)
	}
	intend(t, j, OpProbe, "2gb", 9101)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	open := map[string]string{"run-001": "pve"}
	for _, test := range []struct {
		name     string
		lost     []int
		first    int // the line that the error names
		active   bool
		run      string
		touched  []int
		detached map[string]string
	}{
		{"an outcome and the end", []int{5, 8}, 5, true, "r1", []int{9100, 9101}, map[string]string{}},
		{"the end of a detached command", []int{7, 8}, 7, true, "r1", []int{9100, 9101}, open},
		{"an intent", []int{4, 8}, 4, true, "r1", []int{9100, 9101}, map[string]string{}},
		{"the beginning", []int{1, 8}, 1, true, "", []int{9100, 9101}, map[string]string{}},
		{"an ended run proves all closed", []int{3}, 3, false, "r1", []int{9100, 9101}, map[string]string{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := os.WriteFile(path, damage(whole, test.lost...), 0o600); err != nil {
				t.Fatal(err)
			}
			state, err := Salvage(path)
			var corrupt *CorruptError
			if !errors.As(err, &corrupt) || corrupt.Line != test.first {
				t.Fatalf("error %v, want one for line %d", err, test.first)
			}
			if state.Active() != test.active || state.Run.RunID != test.run {
				t.Errorf("run %q, active %v", state.Run.RunID, state.Active())
			}
			if diff := cmp.Diff(test.touched, vmids(state)); diff != "" {
				t.Errorf("touched (-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(test.detached, state.Detached); diff != "" {
				t.Errorf("detached (-want +got)\n%s", diff)
			}
			if state, err := Read(path); state != nil || err == nil {
				t.Errorf("Read took it: %+v, %v", state, err)
			}
		})
	}
}

func TestALostLineAfterTheEndMayHaveBegunARun(t *testing.T) {
	j, path := begun(t)
	intend(t, j, OpClone, "2gb", 9100)
	if err := j.End(); err != nil {
		t.Fatal(err)
	}
	if err := j.Begin(Begin{RunID: "r2"}); err != nil {
		t.Fatal(err)
	}
	intend(t, j, OpClone, "4gb", 9101)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, damage(whole, 4), 0o600); err != nil {
		t.Fatal(err)
	}
	state, err := Salvage(path)
	if err == nil || !state.Active() || state.Run.RunID != "" || !slices.Equal(vmids(state), []int{9101}) {
		t.Errorf("state %+v, error %v", state, err)
	}
}

// Whichever lines are lost, no VM and no detached command that another line still names is taken for gone.
func TestSalvageNeverForgets(t *testing.T) {
	dir := t.TempDir()
	results := []Result{ResultDone, ResultFailed, ResultRefused, ResultUnknown, ""}
	rapid.Check(t, func(t *rapid.T) {
		path := filepath.Join(dir, "j")
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		j, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = j.Close() }()
		failures := []error{j.Begin(Begin{RunID: "r1"})}
		named, detached := map[int]int{}, map[string]int{} // what is announced, and in which line
		for i := range rapid.IntRange(1, 8).Draw(t, "changes") {
			vmid, result := rapid.IntRange(1, 3).Draw(t, "vmid"), rapid.SampledFrom(results).Draw(t, "result")
			seq, err := j.Intend(Intent{Op: OpClone, Node: "pve", VMID: vmid})
			named[seq], failures = vmid, append(failures, err)
			if result != "" {
				failures = append(failures, j.Finished(seq, result, nil))
			}
			if rapid.Bool().Draw(t, "detach") {
				id := strconv.Itoa(i)
				detached[id] = j.next
				failures = append(failures, j.Detach("pve", id))
			}
		}
		if err := errors.Join(failures...); err != nil {
			t.Fatal(err)
		}
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		lost := rapid.SliceOfNDistinct(rapid.IntRange(1, j.next-1), 1, -1, rapid.ID).Draw(t, "lost lines")
		if err := os.WriteFile(path, damage(whole, lost...), 0o600); err != nil {
			t.Fatal(err)
		}
		state, err := Salvage(path)
		var corrupt *CorruptError
		if !errors.As(err, &corrupt) || corrupt.Line != slices.Min(lost) || !state.Active() {
			t.Fatalf("state %+v, error %v", state, err)
		}
		for seq, vmid := range named {
			if !slices.Contains(lost, seq) && !slices.Contains(vmids(state), vmid) {
				t.Fatalf("VMID %d of line %d is forgotten", vmid, seq)
			}
		}
		for id, seq := range detached {
			if !slices.Contains(lost, seq) && state.Detached[id] == "" {
				t.Fatalf("detached command %s of line %d is forgotten", id, seq)
			}
		}
	})
}

func FuzzSalvage(f *testing.F) {
	f.Add([]byte(`{"seq":1,"begin":{"format":1,"run":"r"}}` + "\nx\n" + `{"seq":2,"intent":{"op":"clone","vmid":1}}` + "\n"))
	f.Add([]byte("x\n" + `{"seq":2,"outcome":{"intent":1,"result":"done"}}` + "\n" + `{"seq":5,"end":{}}` + "\n"))
	f.Add([]byte(`{"seq":1,"detached":{"target":"t","id":"i"}}` + "\n\n" + `{"seq":2,"detached_end":{"id":"i"}}` + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "j")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		state, err := Salvage(path)
		var corrupt *CorruptError
		if state == nil || (err != nil && !errors.As(err, &corrupt)) {
			t.Fatalf("state %v, error %v", state, err)
		}
		if err != nil && state.Run == nil {
			t.Fatal("a damaged journal without a run looks like an empty one")
		}
		read, readErr := Read(path)
		if (err == nil) != (readErr == nil) {
			t.Fatalf("Salvage says %v, Read says %v", err, readErr)
		}
		if diff := cmp.Diff(read, state, cmp.AllowUnexported(State{}, VM{})); err == nil && diff != "" {
			t.Fatalf("a whole journal reads differently (-Read +Salvage)\n%s", diff)
		}
	})
}
