package cli

import (
	"net/url"
	"testing"

	"labctl/pkg/pvesim/console"
)

// pveum is root's console on an emulated server.
type pveum struct {
	t       *testing.T
	console *console.Console
}

// script runs every line of a script, and fails the test when one fails.
func (p *pveum) script(text string) {
	p.t.Helper()
	if err := p.console.Script(p.t.Context(), text); err != nil {
		p.t.Fatal(err)
	}
}

// call makes a call of the API as root.
func (p *pveum) call(method, path string, params url.Values) error {
	_, err := p.console.Call(p.t.Context(), method, path, params)
	return err
}
