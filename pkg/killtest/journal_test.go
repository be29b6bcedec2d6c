package killtest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// journal is the path of the lab's journal.
func (h *home) journal() string { return filepath.Join(h.state, "labs", "kill", "journal.jsonl") }

// halfway kills up when all VMs are cloned and some are configured, grown or started.
func (w *world) halfway(t *testing.T) *home {
	t.Helper()
	h := w.newHome(t, "home", killLab)
	h.killUp(t, 8)
	return h
}

// rewrite changes the journal.
func (h *home) rewrite(t *testing.T, change func([]byte) []byte) {
	t.Helper()
	data, err := os.ReadFile(h.journal())
	if err == nil {
		err = os.WriteFile(h.journal(), change(data), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// lines are the journal's lines, each with its end.
func lines(journal []byte) [][]byte {
	return bytes.SplitAfter(bytes.TrimSuffix(journal, []byte("\n")), []byte("\n"))
}

// TestDamagedJournal damages the journal of a killed up as crashes and disks do.
func TestDamagedJournal(t *testing.T) {
	t.Parallel()
	appending := func(tail string) func([]byte) []byte {
		return func(journal []byte) []byte { return append(journal, tail...) }
	}
	losing := func(number int) func([]byte) []byte {
		return func(journal []byte) []byte {
			all := lines(journal)
			all[number-1] = append([]byte("\x00"), all[number-1][1:]...)
			return append(bytes.Join(all, nil), '\n')
		}
	}
	for _, test := range some([]struct {
		name   string
		damage func([]byte) []byte
		worn   bool // up refuses, and down keeps the file
	}{
		{"line in the middle lost", losing(12), true},
		{"last line cut", func(journal []byte) []byte { return journal[:len(journal)-20] }, false},
		{"half a line more", appending(`{"seq":99,"time":"2026-`), false},
		{"zeros behind", appending(strings.Repeat("\x00", 4096)), false},
		{"garbage behind", appending("\xff\xfe garbage \x01\n"), true},
		{"begin lost", losing(1), true},
		{"first clone lost", losing(2), true},
		{"all but the first line garbage", func(journal []byte) []byte {
			return append(lines(journal)[0], bytes.Repeat([]byte("garbage\n"), 3)...)
		}, true},
	}) {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sharedHost(9))
			was := w.belongings(t)
			h := w.halfway(t)
			h.rewrite(t, test.damage)
			if test.worn {
				h.must(t, 1, []string{"up"}, "is damaged at line", "run `labctl --state-dir "+h.state+" down "+h.lab+"`")
				h.must(t, 0, []string{"down"}, "kept as "+h.journal()+".damaged-", "no volume of theirs is left")
			} else {
				h.must(t, 0, []string{"up"}, "lab kill is up: 3 VMs")
				h.must(t, 0, []string{"down"}, "3 VMs removed")
			}
			w.wantAsBefore(t, was, nil)
			h.must(t, 0, []string{"down"}, "lab kill is not up: nothing to remove")
		})
	}
}

// age replaces the journal by one that an older labctl wrote in the same situation, on another server's tasks, and the
// VMs' marks by those of that labctl.
func (h *home) age(t *testing.T, file string) {
	t.Helper()
	for _, vm := range h.world.cluster.VMs() {
		if mark := markLine.FindStringSubmatch(vm.Config["description"]); mark != nil && vm.ID != theirs {
			h.world.describe(t, vm.ID, fmt.Sprintf("{\"labctl\":1,%s}\n", mark[1]))
		}
	}
	old, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	h.rewrite(t, func(journal []byte) []byte {
		for _, field := range []string{"run", "server"} {
			value := regexp.MustCompile(`"` + field + `":"([^"]*)"`).FindSubmatch(journal)
			if value == nil {
				t.Fatalf("the journal has no %s", field)
			}
			old = bytes.ReplaceAll(old, []byte("{"+strings.ToUpper(field)+"}"), value[1])
		}
		return old
	})
}

// markLine is a mark of format 2, with what format 1 had of it.
var markLine = regexp.MustCompile(`\{"labctl":2,("lab":"kill".*"expires":"[^"]*")`)

// TestOlderJournal goes on with the journal of an older labctl.
func TestOlderJournal(t *testing.T) {
	t.Parallel()
	for _, commands := range some([][]string{{"up", "down"}, {"down"}, {"status", "down"}}) {
		t.Run(strings.Join(commands, " and "), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sharedHost(9))
			was := w.belongings(t)
			h := w.halfway(t)
			h.age(t, "journal-format-1.jsonl")
			for _, command := range commands {
				h.must(t, 0, []string{command}, map[string]string{
					"status": "lab kill is partial", "up": "lab kill is up: 3 VMs", "down": "3 VMs removed",
				}[command])
			}
			w.wantAsBefore(t, was, nil)
		})
	}
}

// TestKilledWhileForgetting goes on from a journal whose run has ended, and which nobody put aside.
func TestKilledWhileForgetting(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sharedHost(8))
	was := w.belongings(t)
	h := w.newHome(t, "home", killLab)
	h.must(t, 0, []string{"up"})
	h.must(t, 0, []string{"down"}, "3 VMs removed")
	past, err := filepath.Glob(filepath.Join(h.state, "past", "kill-*.jsonl"))
	if err != nil || len(past) != 1 {
		t.Fatalf("past journals: %v, %v", past, err)
	}
	if err := errors.Join(os.MkdirAll(filepath.Dir(h.journal()), 0o700), os.Rename(past[0], h.journal())); err != nil {
		t.Fatal(err)
	}
	h.must(t, 0, []string{"status"}, "lab kill is down")
	h.must(t, 0, []string{"up"}, "lab kill is up: 3 VMs")
	h.must(t, 0, []string{"down"}, "3 VMs removed")
	h.must(t, 0, []string{"down"}, "lab kill is not up: nothing to remove")
	w.wantAsBefore(t, was, nil)
}

// TestNewerJournal leaves a lab alone whose journal a newer labctl wrote.
func TestNewerJournal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sharedHost(9))
	was := w.belongings(t)
	h := w.halfway(t)
	halfway := w.belongings(t)
	var mine, newer []byte
	h.rewrite(t, func(journal []byte) []byte {
		mine = bytes.Clone(journal)
		newer = regexp.MustCompile(`"format":\d+`).ReplaceAll(journal, []byte(`"format":99`))
		newer = bytes.Replace(newer, []byte(`"labctl":"`), []byte(`"labctl":"v99.1-`), 1)
		return newer
	})
	for _, command := range []string{"up", "down", "run", "bench"} {
		h.must(t, 1, []string{command}, "written by a newer labctl (v99.1-", "run that version", h.journal())
	}
	if changed := w.changes(t, halfway); changed != "" {
		t.Errorf("it did not leave the lab alone:\n%s", changed)
	}
	if data, err := os.ReadFile(h.journal()); !bytes.Equal(data, newer) {
		t.Errorf("it did not leave the journal alone: %v\n%s", err, data)
	}
	if err := errors.Join(os.WriteFile(h.journal(), mine, 0o600)); err != nil {
		t.Fatal(err)
	}
	h.must(t, 0, []string{"down"}, "3 VMs removed")
	w.wantAsBefore(t, was, nil)
}

// TestDownOfNothing runs down for a lab that never existed, and twice for one that did.
func TestDownOfNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sharedHost(8))
	was := w.belongings(t)
	h := w.newHome(t, "home", killLab)
	h.must(t, 0, []string{"down"}, "lab kill is not up: nothing to remove")
	h.must(t, 0, []string{"up"})
	h.must(t, 0, []string{"down"}, "3 VMs removed")
	h.must(t, 0, []string{"down"}, "lab kill is not up: nothing to remove")
	w.wantAsBefore(t, was, nil)
}

// TestDamagedWhileClonesRun loses the line about a clone that still runs.
func TestDamagedWhileClonesRun(t *testing.T) {
	t.Parallel()
	for _, lost := range some([]int{2, 3, 4}) {
		t.Run(fmt.Sprintf("line %d", lost), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sharedHost(8))
			was := w.belongings(t)
			h := w.newHome(t, "home", killLab)
			h.killUp(t, 3)
			h.rewrite(t, func(journal []byte) []byte {
				all := lines(journal)
				all[lost-1] = []byte("garbage\n")
				return append(bytes.Join(all, nil), '\n')
			})
			told := h.cleanUp(t, new(tally), "down")
			if left := w.changes(t, was); left != "" {
				t.Errorf("not as before:\n%s\n%s", left, told)
			}
		})
	}
}
