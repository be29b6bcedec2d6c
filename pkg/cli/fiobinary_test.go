package cli

import (
	"strings"
	"testing"
)

func TestFioParity(t *testing.T) {
	target := func(name, version, sum string) *machine {
		return &machine{name: name, facts: map[string]string{factFio: version, factFioSHA256: sum}}
	}
	const a, b = "aaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbb"
	tests := map[string]struct {
		machines []*machine
		want     string
	}{
		"nobody":                {nil, ""},
		"one":                   {[]*machine{target("pve", "fio-3.33", a)}, ""},
		"all the same":          {[]*machine{target("pve", "fio-3.33", a), target("2gb", "fio-3.33", a)}, ""},
		"other version":         {[]*machine{target("pve", "fio-3.33", a), target("2gb", "fio-3.28", b), target("4gb", "fio-3.28", b)}, "pve: fio-3.33 (sha256 aaaaaaaaaaaa…); 2gb, 4gb: fio-3.28 (sha256 bbbbbbbbbbbb…)"},
		"same version, rebuilt": {[]*machine{target("pve", "fio-3.33", a), target("2gb", "fio-3.33", b)}, "pve: fio-3.33 (sha256 aaaaaaaaaaaa…); 2gb: fio-3.33 (sha256 bbbbbbbbbbbb…)"},
		"sum unknown":           {[]*machine{target("pve", "fio-3.33", a), target("2gb", "fio-3.33", "")}, "2gb: fio-3.33."},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := strings.Join(fioParity(test.machines), "\n")
			if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}
