package cli

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"labctl/pkg/lab/guest"
	"labctl/pkg/sandbox"
)

func TestLastLines(t *testing.T) {
	console := "c\x1b[?7l\x1b[2J\x1b[0mSeaBIOS\r\n\r\n[\x1b[0;32m  OK  \x1b[0m] Started \x1b[0;1;39mssh\x1b[0m\r\n[   9.1] Kernel panic \x07!"
	want := []string{"cSeaBIOS", "[  OK  ] Started ssh", "[   9.1] Kernel panic !"}
	if diff := cmp.Diff(want, lastLines([]byte(console), 9)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want[1:], lastLines([]byte(console), 2)); diff != "" {
		t.Error(diff)
	}
}

// The end of the console stands below a readiness failure, where there is a console, and nowhere else.
func TestWithConsole(t *testing.T) {
	machines := t.TempDir()
	vm := &server{sandbox: &sandbox.Info{Guests: sandbox.GuestQEMU, Machines: machines}}
	path, _ := vm.sandbox.ConsolePath(9200)
	notReady := &guest.NotReadyError{VM: "a", Probe: "network", Last: errors.New("no route")}
	write := func(text string) {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	tests := map[string]struct {
		server *server
		err    error
		text   string
		want   string
	}{
		"a real server":   {&server{}, notReady, "panic", ""},
		"processes":       {&server{sandbox: &sandbox.Info{}}, notReady, "panic", ""},
		"another failure": {vm, errors.New("refused"), "panic", ""},
		"a console":       {vm, notReady, "Booting\nKernel panic\n", "\n  the end of the console of VM 9200:\n    Booting\n    Kernel panic"},
		"an empty one":    {vm, notReady, "", "\n  the console of VM 9200 is empty"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			write(test.text)
			got := test.server.withConsole(test.err, 9200)
			if got.Error() != test.err.Error()+test.want || !errors.Is(got, test.err) {
				t.Errorf("got %q", got)
			}
		})
	}
	if err := os.RemoveAll(machines); err != nil {
		t.Fatal(err)
	}
	if got := vm.withConsole(notReady, 9200); !strings.Contains(got.Error(), "no such file") {
		t.Errorf("without a file: %q", got)
	}
}
