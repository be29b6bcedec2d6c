package remote

import (
	"bufio"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestReadReport(t *testing.T) {
	for name, test := range map[string]struct {
		text    string
		want    report
		started int
	}{
		"ended": {
			"motd of a login shell\nlabctl-detached started\nlabctl-detached ended 3 1700000000000000001 1700000001000000002 3 2\noutEE", report{
				state: stateEnded, code: 3, stdout: []byte("out"), stderr: []byte("EE"),
				started: time.Unix(1700000000, 1), ended: time.Unix(1700000001, 2),
			}, 1,
		},
		"coarse clock": {
			"labctl-detached ended 0 1700000000%N 1700000001 0 0\n",
			report{state: stateEnded, started: time.Unix(1700000000, 0), ended: time.Unix(1700000001, 0)},
			0,
		},
		"died": {"labctl-detached started\nlabctl-detached started\nlabctl-detached died 0 1\nx", report{state: stateDied, stderr: []byte("x")}, 2},
		"gone": {"labctl-detached gone\n", report{state: stateGone}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			started := 0
			got, err := readReport(bufio.NewReader(strings.NewReader(test.text)), func() { started++ })
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(report{}), cmpopts.EquateEmpty()); diff != "" || started != test.started {
				t.Errorf("started %d, want %d; -want +got:\n%s", started, test.started, diff)
			}
		})
	}
}

func TestReadReportRefuses(t *testing.T) {
	for _, text := range []string{
		"", "labctl-detached started\n", "labctl-detached gone", "labctl-detached \n", "labctl-detached ended 1 2 3\n",
		"labctl-detached ended x 1 1 0 0\n", "labctl-detached ended 0 x 1 0 0\n", "labctl-detached ended 0 1 x 0 0\n",
		"labctl-detached died 0 -1\n", "labctl-detached died 0 x\n", "labctl-detached died 1 1\nx", "labctl-detached died 2 1\nx",
	} {
		if got, err := readReport(bufio.NewReader(strings.NewReader(text)), func() {}); err == nil {
			t.Errorf("%q: read as %+v", text, got)
		}
	}
}

func FuzzReadReport(f *testing.F) {
	f.Add("labctl-detached started\nlabctl-detached ended 3 1700000000000000001 1700000001000000002 3 2\noutEE")
	f.Add("labctl-detached died 0 1\nx")
	f.Add("labctl-detached died 0 99999999999999\nx")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := readReport(bufio.NewReader(strings.NewReader(text)), func() {})
		if err == nil && (got.state == "" || got.state == stateStarted || len(got.stdout)+len(got.stderr) > len(text)) {
			t.Errorf("%q: read as %+v", text, got)
		}
	})
}
