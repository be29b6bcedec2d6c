package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// module makes a module with one test file and works in it.
func module(t *testing.T, body string) {
	t.Helper()
	folder := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":    "module example.test/skips\n\ngo 1.26\n",
		"a_test.go": "package a\n\nimport \"testing\"\n\n" + body,
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(folder)
}

const skips = `
func TestQuiet(t *testing.T) { t.Log("quiet") }
func TestKnown(t *testing.T) { t.Run("b", func(t *testing.T) { t.Log("before"); t.Skip("takes minutes: run it with -kill; so") }) }
func TestMissing(t *testing.T) { t.Skip("no-such-program is not installed") }
`

const badSkips = `
func TestUnknown(t *testing.T) { t.Skip("no data:\nnone") }
func TestSilent(t *testing.T) { t.SkipNow() }
func TestThere(t *testing.T) { t.Skip("go is not installed") }
`

func TestRun(t *testing.T) {
	tests := map[string]struct {
		body          string
		wrong         string   // the error has it; "" is success
		shown, hidden []string // what is printed and what is not
	}{
		"good reasons": {
			body: skips,
			shown: []string{
				"ok  \texample.test/skips", "2 tests skipped\n",
				"skipped: example.test/skips.TestKnown/b: takes minutes: run it with -kill; so",
				"skipped: example.test/skips.TestMissing: no-such-program is not installed",
			},
			hidden: []string{"quiet", "PASS", "before"},
		},
		"bad reasons": {
			body:  badSkips,
			wrong: "3 tests were skipped for a reason",
			shown: []string{
				"SKIPPED FOR AN UNKNOWN REASON: example.test/skips.TestUnknown: no data: none\n",
				"SKIPPED FOR AN UNKNOWN REASON: example.test/skips.TestSilent: \n",
				"SKIPPED FOR AN UNKNOWN REASON: example.test/skips.TestThere: go is not installed\n",
				"  LABCTL_CONTRACT_URL names no real server… (",
			},
		},
		"failed": {
			body:  `func TestA(t *testing.T) { t.Error("so it was") }; func TestB(t *testing.T) { panic("in the middle") }`,
			wrong: "go test failed",
			shown: []string{"a_test.go:5: so it was", "--- FAIL: TestA", "panic: in the middle", "FAIL\texample.test/skips"},
		},
		"does not build": {
			body:  `func TestA(t *testing.T) { undefined() }`,
			wrong: "go test failed",
			shown: []string{"undefined: undefined"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			module(t, test.body)
			var out, errout strings.Builder
			err := run(t.Context(), []string{"./..."}, &out, &errout)
			if (err == nil) != (test.wrong == "") || err != nil && !strings.Contains(err.Error(), test.wrong) {
				t.Errorf("got error %v, want %q", err, test.wrong)
			}
			for _, text := range test.shown {
				if !strings.Contains(out.String(), text) {
					t.Errorf("%q is not in:\n%s%s", text, out.String(), errout.String())
				}
			}
			for _, text := range test.hidden {
				if strings.Contains(out.String(), text) {
					t.Errorf("%q is in:\n%s", text, out.String())
				}
			}
		})
	}
}

// TestVerbose prints everything as it comes, and lines that are no events.
func TestVerbose(t *testing.T) {
	const events = `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:5: loud\n"}
not an event
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"PASS\n"}
`
	for verbose, want := range map[bool]string{true: "    a_test.go:5: loud\nnot an event\nPASS\n", false: "not an event\n"} {
		var out strings.Builder
		r := reader{out: &out, verbose: verbose, said: map[testName][]string{}}
		if err := r.read(strings.NewReader(events)); err != nil || out.String() != want {
			t.Errorf("verbose %t: %q, %v", verbose, out.String(), err)
		}
	}
	r := reader{out: io.Discard, said: map[testName][]string{}}
	if err := r.read(strings.NewReader(strings.Repeat("x", maxLineBytes+1))); err == nil {
		t.Error("a line without an end was taken")
	}
}
