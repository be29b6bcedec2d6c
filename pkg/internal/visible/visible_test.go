package visible

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

var shown = []struct{ name, text, line, multiline string }{
	{"plain", "zfs:vm-100-disk-0 · 4 KiB ü 漢 🙂", "zfs:vm-100-disk-0 · 4 KiB ü 漢 🙂", "zfs:vm-100-disk-0 · 4 KiB ü 漢 🙂"},
	{"empty", "", "", ""},
	{"escape sequence", "a\x1b[2Jb", `a\u001b[2Jb`, `a\u001b[2Jb`},
	{"title", "\x1b]0;owned\a", `\u001b]0;owned\u0007`, `\u001b]0;owned\u0007`},
	{"8-bit CSI", "a\u009b2Jb", `a\u009b2Jb`, `a\u009b2Jb`},
	{"forged row", "a\nlab b", `a\nlab b`, "a\nlab b"},
	{"overwritten line", "ours\rtheirs", `ours\rtheirs`, `ours\rtheirs`},
	{"columns", "a\tb", `a\tb`, "a\tb"},
	{"backspace, NUL, DEL", "a\b\x00\x7f", `a\u0008\u0000\u007f`, `a\u0008\u0000\u007f`},
	{"bidirectional override", "vm-\u202e001", `vm-\u202e001`, `vm-\u202e001`},
	{"isolate, mark", "\u2066x\u2069\u200e\u061c", `\u2066x\u2069\u200e\u061c`, `\u2066x\u2069\u200e\u061c`},
	{"zero width, BOM", "a\u200bb\ufeff", `a\u200bb\ufeff`, `a\u200bb\ufeff`},
	{"line separators", "a\u2028b\u2029\u0085", `a\u2028b\u2029\u0085`, `a\u2028b\u2029\u0085`},
	{"tag character", "\U000e0041", `\udb40\udc41`, `\udb40\udc41`},
	{"invalid UTF-8", "a\xff\xc3", `a\xff\xc3`, `a\xff\xc3`},
	{"surrogate half", "\xed\xa0\x80", `\xed\xa0\x80`, `\xed\xa0\x80`},
	{"replacement character", "a\ufffdb", "a\ufffdb", "a\ufffdb"},
}

func TestHiddenCharactersAreShown(t *testing.T) {
	for _, test := range shown {
		if got := Line(test.text); got != test.line {
			t.Errorf("%s: Line %q, want %q", test.name, got, test.line)
		}
		if got := Text(test.text); got != test.multiline {
			t.Errorf("%s: Text %q, want %q", test.name, got, test.multiline)
		}
	}
	if got := Lines([]string{"a", "b\n"}); got[0] != "a" || got[1] != `b\n` {
		t.Errorf("Lines %q", got)
	}
}

func TestCellIsNoFormula(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "pve": "pve", "=1+1": "'=1+1", "+1": "'+1", "-1": "-1", "-12.5e-3": "-12.5e-3", "-1+1": "'-1+1", "-Inf": "'-Inf", "@SUM(A1)": "'@SUM(A1)", "a=b": "a=b", "\t=1": `'\t=1`, "\r=1": `'\r=1`,
	} {
		if got := Cell(text); got != want {
			t.Errorf("Cell(%q) = %q, want %q", text, got, want)
		}
	}
}

// A JSON document passes the writer unchanged in meaning, whatever its texts are.
func TestWriterKeepsJSON(t *testing.T) {
	for _, test := range shown {
		var out bytes.Buffer
		if err := json.NewEncoder(NewWriter(&out)).Encode(test.text); err != nil {
			t.Fatal(err)
		}
		var got string
		if err := json.Unmarshal(out.Bytes(), &got); err != nil || got != strings.ToValidUTF8(test.text, "\ufffd") && utf8.ValidString(test.text) {
			t.Errorf("%s: %s is %q: %v", test.name, out.String(), got, err)
		}
	}
}

func TestPaintedKeepsOnlyAttributes(t *testing.T) {
	const text = "\x1b[1mtitle\x1b[0m \x1b[2J\x1b[1;31mred\x1b[0m\n"
	const want = "\x1b[1mtitle\x1b[0m \\u001b[2J\x1b[1;31mred\x1b[0m\n"
	var out bytes.Buffer
	if err := WritePainted(NewWriter(&out), text); err != nil || out.String() != want {
		t.Errorf("%q, want %q: %v", out.String(), want, err)
	}
}

func TestOfShowsEveryText(t *testing.T) {
	type part struct {
		Name   string
		hidden string
	}
	type document struct {
		Title string
		Parts []part
		Named map[string]*part
		Any   any
		Pair  [2]string
		When  time.Time
		None  *part
	}
	now := time.Now()
	given := document{"a\n", []part{{"b\x1b", "c\x1b"}}, map[string]*part{"d\r": {Name: "e\t"}}, []any{"f\x7f", 1}, [2]string{"g", "h\n"}, now, nil}
	want := document{`a\n`, []part{{`b\u001b`, "c\x1b"}}, map[string]*part{`d\r`: {Name: `e\t`}}, []any{`f\u007f`, 1}, [2]string{"g", `h\n`}, now, nil}
	if got := Of(given); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if given.Parts[0].Name != "b\x1b" || given.Named["d\r"].Name != "e\t" {
		t.Errorf("the original was changed: %+v", given)
	}
	if got := Of[error](nil); got != nil {
		t.Errorf("%v for nil", got)
	}
}

type refusing struct{}

func (refusing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestWriterTellsTheErrorBelow(t *testing.T) {
	w := NewWriter(refusing{})
	if w != NewWriter(w) {
		t.Error("a Writer is wrapped again")
	}
	if n, err := w.Write([]byte("x")); n != 0 || !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// FuzzTerminalText holds that no text reaches a terminal that it obeys, in whatever pieces it comes.
func FuzzTerminalText(f *testing.F) {
	for _, test := range shown {
		f.Add(test.text, 1)
	}
	f.Fuzz(func(t *testing.T, text string, piece int) {
		var out bytes.Buffer
		w, rest := NewWriter(&out), text
		for piece = max(1, piece%7); len(rest) > piece; rest = rest[piece:] {
			if n, err := io.WriteString(w, rest[:piece]); n != piece || err != nil {
				t.Fatalf("%d bytes, %v", n, err)
			}
		}
		_, _ = io.WriteString(w, rest+".") // completes a character that is cut off
		if want := Text(text + "."); out.String() != want {
			t.Errorf("in pieces of %d: %q, want %q", piece, out.String(), want)
		}
		for name, got := range map[string]string{"writer": out.String(), "line": Line(text), "cell": Cell(text)} {
			if !utf8.ValidString(got) {
				t.Errorf("%s: %q is no UTF-8", name, got)
			}
			for _, r := range got {
				if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) && (name != "writer" || r != '\n' && r != '\t') {
					t.Errorf("%s: %q has %U", name, got, r)
				}
			}
			if name == "cell" && got != "" && strings.ContainsRune("=+-@", rune(got[0])) && !number.MatchString(got) {
				t.Errorf("%q is a formula", got)
			}
		}
		if Line(Line(text)) != Line(text) {
			t.Errorf("%q is shown twice", text)
		}
	})
}
