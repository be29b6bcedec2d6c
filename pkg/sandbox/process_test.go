package sandbox

import (
	"errors"
	"testing"
)

const statTail = " 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21\n"

func TestParseStat(t *testing.T) {
	for _, test := range []struct {
		stat    string
		state   byte
		started uint64
		ok      bool
	}{
		{"12 (labctl) S" + statTail, 'S', 4711, true},
		{"12 (a) Z (b) R" + statTail, 'R', 4711, true},
		{"12 (a\nb ) Z" + statTail, 'Z', 4711, true},
		{"12 (labctl) S 1 2", 0, 0, false},
		{"12 (labctl) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 x 20", 0, 0, false},
		{"", 0, 0, false},
	} {
		state, started, err := parseStat([]byte(test.stat))
		if state != test.state || started != test.started || (err == nil) != test.ok {
			t.Errorf("%q: %c %d %v", test.stat, state, started, err)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("12 (labctl) S" + statTail))
	f.Fuzz(func(t *testing.T, stat []byte) {
		if state, started, err := parseStat(stat); err != nil && (state != 0 || started != 0) {
			t.Errorf("%q: state %d, start %d, error %v", stat, state, started, err)
		}
	})
}

func TestEndedProcessIsGone(t *testing.T) {
	command, ended := waitingProcess(t, "echo; exec sleep 1000")
	if err := ended.terminate(t.Context()); err != nil {
		t.Error(err)
	}
	if err := ended.check(); !errors.Is(err, errGone) {
		t.Errorf("before its parent looks: %v", err)
	}
	if err := command.Wait(); err == nil {
		t.Error("it was not ended by a signal")
	}
	if err := ended.terminate(t.Context()); err != nil {
		t.Errorf("ending it again: %v", err)
	}
	if err := ended.check(); !errors.Is(err, errGone) {
		t.Errorf("afterwards: %v", err)
	}
}
