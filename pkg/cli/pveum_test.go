package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// pveum carries out pveum commands on an emulated server, as root would at its console: every command is a call of the
// API with the same parameters (PVE/CLI/pveum.pm).
type pveum struct {
	t       *testing.T
	console http.RoundTripper
	secrets map[string]string // that were shown, by token
}

// subcommands are the commands that labctl prints: the call of each, with the positional arguments in braces.
func (p *pveum) subcommands() map[string]struct{ method, path string } {
	return map[string]struct{ method, path string }{
		"pool add {poolid}":                 {http.MethodPost, "/pools"},
		"user add {userid}":                 {http.MethodPost, "/access/users"},
		"user token add {userid} {tokenid}": {http.MethodPost, "/access/users/{userid}/token/{tokenid}"},
		"role add {roleid}":                 {http.MethodPost, "/access/roles"},
		"role modify {roleid}":              {http.MethodPut, "/access/roles/{roleid}"},
		"acl modify {path}":                 {http.MethodPut, "/access/acl"},
	}
}

// script runs every line of a script, and fails the test when a command fails.
func (p *pveum) script(text string) {
	p.t.Helper()
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := p.line(line); err != nil {
			p.t.Fatalf("%s: %v", line, err)
		}
	}
}

// line runs one line of a shell, which may be "command || command".
func (p *pveum) line(line string) error {
	first, otherwise, both := strings.Cut(line, " || ")
	err := p.command(splitShell(first))
	if err != nil && both {
		return p.line(otherwise)
	}
	return err
}

func (p *pveum) command(words []string) error {
	if len(words) == 0 || words[0] != "pveum" {
		return fmt.Errorf("%q is not a pveum command", words)
	}
	for usage, call := range p.subcommands() {
		params, ok := parseArguments(strings.Fields(usage), words[1:])
		if !ok {
			continue
		}
		path := call.path
		for name := range params {
			if hole := "{" + name + "}"; strings.Contains(path, hole) {
				path = strings.ReplaceAll(path, hole, url.PathEscape(params.Get(name)))
				params.Del(name)
			}
		}
		return p.call(call.method, path, params)
	}
	return fmt.Errorf("pveum has no command %q", words)
}

// call makes a call of the API as root.
func (p *pveum) call(method, path string, params url.Values) error {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, "https://pve.invalid:8006/api2/json"+path, strings.NewReader(params.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := p.console.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s %s", method, path, resp.Status, body)
	}
	var shown struct {
		Data struct {
			ID     string `json:"full-tokenid"`
			Secret string `json:"value"`
		} `json:"data"`
	}
	if json.Unmarshal(body, &shown) == nil && shown.Data.Secret != "" {
		p.secrets[shown.Data.ID] = shown.Data.Secret
	}
	return nil
}

// parseArguments matches words with a usage and collects the positional arguments and the options.
func parseArguments(usage, words []string) (url.Values, bool) {
	params := url.Values{}
	if len(words) < len(usage) {
		return nil, false
	}
	for i, want := range usage {
		name, isHole := strings.CutPrefix(want, "{")
		switch {
		case isHole:
			params.Set(strings.TrimSuffix(name, "}"), words[i])
		case words[i] != want:
			return nil, false
		}
	}
	rest := words[len(usage):]
	for len(rest) >= 2 && strings.HasPrefix(rest[0], "--") {
		params.Set(strings.TrimPrefix(rest[0], "--"), rest[1])
		rest = rest[2:]
	}
	return params, len(rest) == 0
}

// splitShell splits a line at blanks outside of single quotes.
func splitShell(line string) []string {
	var words []string
	word, inside, any := "", false, false
	for _, r := range line + " " {
		switch {
		case r == '\'':
			inside, any = !inside, true
		case r == ' ' && !inside:
			if any {
				words = append(words, word)
			}
			word, any = "", false
		default:
			word, any = word+string(r), true
		}
	}
	return words
}
