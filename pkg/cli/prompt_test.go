package cli

import (
	"bufio"
	"bytes"
	"errors"
	"strings"
	"testing"
)

func answering(lines string) (*prompter, *bytes.Buffer) {
	var shown bytes.Buffer
	in := strings.NewReader(lines)
	return &prompter{in: in, lines: bufio.NewReader(in), out: &shown}, &shown
}

func TestChoose(t *testing.T) {
	several := []choice{{"local-zfs", "(zfspool)"}, {"fast", "(zfspool)"}, {"nas", "(nfs)"}}
	for _, test := range []struct {
		name, typed, given, fallback string
		choices                      []choice
		want, err                    string
	}{
		{"by number", "2\n", "", "", several, "fast", ""},
		{"by name", "nas\n", "", "", several, "nas", ""},
		{"the first by default", "\n", "", "", several, "local-zfs", ""},
		{"the preferred by default", "\n", "", "nas", several, "nas", ""},
		{"the preferred is not there", "\n", "", "gone", several, "local-zfs", ""},
		{"nobody answers", "", "", "", several, "local-zfs", ""},
		{"only one", "", "", "", several[:1], "local-zfs", ""},
		{"by flag", "", "fast", "", several, "fast", ""},
		{"by flag, unseen", "", "hidden", "", nil, "hidden", ""},
		{"by flag, wrong", "", "tank", "", several, "", "--storage tank: this token sees none of that name; it sees: local-zfs, fast, nas"},
		{"out of range", "4\n", "", "", several, "", `Storage: "4" is none of local-zfs, fast, nas`},
		{"nonsense", "tank\n", "", "", several, "", `Storage: "tank" is none of`},
		{"nothing to choose from", "", "", "", nil, "", "the server shows none to this token: run `labctl init --print-grants`"},
	} {
		ask, shown := answering(test.typed)
		got, err := ask.choose(t.Context(), question{text: "Storage", flag: "--storage", fallback: test.fallback}, test.given, test.choices)
		var usage *usageError
		if got != test.want || (err == nil) != (test.err == "") || err != nil && (!errors.As(err, &usage) || !strings.Contains(err.Error(), test.err)) {
			t.Errorf("%s: %q, %v, want %q, %q\n%s", test.name, got, err, test.want, test.err, shown)
		}
	}
}

func TestAnswersEndWithTheirLines(t *testing.T) {
	ask, shown := answering("one \r\ntwo")
	for _, want := range []string{"one", "two", "three"} {
		got, err := ask.ask(t.Context(), question{text: "What", flag: "--what", fallback: "three"})
		if err != nil || got != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
	if _, err := ask.ask(t.Context(), question{text: "What", flag: "--what"}); !errors.Is(err, errNoAnswer) || !strings.Contains(err.Error(), "give --what") {
		t.Errorf("error %v", err)
	}
	if secret, err := ask.secret(t.Context(), question{text: "Secret", flag: "--secret-file"}); secret != "" || !errors.Is(err, errNoAnswer) {
		t.Errorf("%q, %v", secret, err)
	}
	if !strings.HasPrefix(shown.String(), "What [three]: ") {
		t.Errorf("shown %q", shown)
	}
}

func TestConfirmWantsAYes(t *testing.T) {
	for typed, want := range map[string]bool{"yes\n": true, "Y\n": true, "no\n": false, "\n": false, "of course\n": false} {
		ask, _ := answering(typed)
		if got, err := ask.confirm(t.Context(), question{text: "Same?", flag: "--fingerprint"}); got != want || err != nil {
			t.Errorf("%q: %v, %v", typed, got, err)
		}
	}
}
