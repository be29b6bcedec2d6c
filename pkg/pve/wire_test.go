package pve

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestWireTypes(t *testing.T) {
	type fields struct {
		T wireText
		N wireInt
		B wireBool
	}
	tests := map[string]fields{
		`{}`:                              {},
		`{"T":null,"N":null,"B":null}`:    {},
		`{"T":"x","N":"1024","B":"0"}`:    {T: "x", N: 1024},
		`{"T":2,"N":2,"B":1}`:             {T: "2", N: 2, B: true},
		`{"T":1.5,"N":1.9,"B":"on"}`:      {T: "1.5", N: 1, B: true},
		`{"T":true,"N":1e3,"B":true}`:     {T: "1", N: 1000, B: true},
		`{"T":false,"N":"","B":false}`:    {T: "0"},
		`{"T":"\u00e4","N":-1,"B":"yes"}`: {T: "ä", N: -1, B: true},
		`{"N":9007199254740993}`:          {N: 9007199254740993}, // more than a float64 can tell
	}
	for text, want := range tests {
		var got fields
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Errorf("%s: %v", text, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
	for _, text := range []string{`{"T":[]}`, `{"T":{}}`, `{"N":"x"}`, `{"N":[1]}`, `{"N":"NaN"}`, `{"N":"1e99"}`, `{"B":2}`, `{"B":"maybe"}`, `{"B":{}}`} {
		var got fields
		if err := json.Unmarshal([]byte(text), &got); err == nil {
			t.Errorf("%s was taken as %+v", text, got)
		}
	}
}

// TestLatin1Bytes has the recorded contents of three files read through the agent.
func TestLatin1Bytes(t *testing.T) {
	for in, want := range map[string]string{
		"\u00c3\u00a4 \u00e2\u0082\u00ac": "ä €",  // a UTF-8 file
		"\u00e4":                          "\xe4", // a Latin-1 file
		"hello\n":                         "hello\n",
		"":                                "",
	} {
		got, err := latin1Bytes(in)
		if err != nil || string(got) != want {
			t.Errorf("%q is %q, %v, want %q", in, got, err, want)
		}
	}
	if _, err := latin1Bytes("a€"); err == nil {
		t.Error("a character that is no byte was taken")
	}
}

func TestSplitList(t *testing.T) {
	for in, want := range map[string][]string{
		"alpha;beta;zeta": {"alpha", "beta", "zeta"}, "images,rootdir": {"images", "rootdir"}, "a b,c;d\x00e": {"a", "b", "c", "d", "e"}, " ": {}, "": {},
	} {
		if diff := cmp.Diff(want, splitList(in)); diff != "" {
			t.Errorf("%q: %s", in, diff)
		}
	}
}

func TestEncodeSSHKeys(t *testing.T) {
	// As PVE stores the key of 31-lp-life.
	const stored = "ssh-ed25519%20AAAAC3NzaC1lZDI1NTE5AAAAIFvPNt%2FzSDCqBIlcxp0%2FVXR8Qn9PmuQGCfHEpHBbnbnO%20rig%40test"
	if got := EncodeSSHKeys("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFvPNt/zSDCqBIlcxp0/VXR8Qn9PmuQGCfHEpHBbnbnO rig@test\n"); got != stored {
		t.Errorf("%s, want %s", got, stored)
	}
	if got, want := EncodeSSHKeys("a b", "", "c+d"), "a%20b%0Ac%2Bd"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func FuzzWireTypes(f *testing.F) {
	for _, seed := range []string{`1`, `"1"`, `null`, `true`, `[]`, `{"a":1}`, `1e400`, `-0`, `"\ud800"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var text wireText
		var n wireInt
		var b wireBool
		textErr := json.Unmarshal(raw, &text)
		if json.Unmarshal(raw, &n) == nil && textErr != nil {
			t.Errorf("%q is a number and no text", raw)
		}
		if json.Unmarshal(raw, &b) == nil && textErr != nil {
			t.Errorf("%q is a truth value and no text", raw)
		}
	})
}

func FuzzLatin1(f *testing.F) {
	f.Add([]byte("ä €"))
	f.Fuzz(func(t *testing.T, file []byte) {
		var shown []rune
		for _, b := range file {
			shown = append(shown, rune(b))
		}
		if !utf8.ValidString(string(shown)) {
			t.Fatal("cannot be")
		}
		got, err := latin1Bytes(string(shown))
		if err != nil || string(got) != string(file) {
			t.Errorf("%q came back as %q, %v", file, got, err)
		}
	})
}
