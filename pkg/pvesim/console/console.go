// Package console runs the commands that root types on a Proxmox VE server against an emulated one: pveum, pvesm, qm and
// pvesh make the calls of the API that the real ones make, with the same parameters (PVE/CLI/pveum.pm, pvesm.pm, qm.pm).
package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
)

// Console is root's shell on the first node of an emulated server.
type Console struct {
	server  http.RoundTripper
	secrets map[string]string // of the tokens that were made here, by token
}

// New returns a console; the server is a cluster's RootTransport.
func New(server http.RoundTripper) *Console {
	return &Console{server: server, secrets: map[string]string{}}
}

// ErrUnknownCommand says that the console does not have the command, or not with these arguments.
var ErrUnknownCommand = errors.New("the console does not have this command")

// Secret is that of a token that was made here.
func (c *Console) Secret(tokenID string) string { return c.secrets[tokenID] }

// Script runs every line but blanks and comments, and stops at the first that fails.
func (c *Console) Script(ctx context.Context, text string) error {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := c.Run(ctx, line); err != nil {
			return fmt.Errorf("%s: %w", line, err)
		}
	}
	return nil
}

// Run runs one line: commands joined by &&, all of which run until one fails; or by ||, of which the first that succeeds is
// the last that runs.
func (c *Console) Run(ctx context.Context, line string) error {
	var err error
	if strings.Contains(line, " && ") {
		for command := range strings.SplitSeq(line, " && ") {
			if err = c.Run(ctx, command); err != nil {
				return err
			}
		}
		return nil
	}
	for command := range strings.SplitSeq(line, " || ") {
		var words []string
		if words, err = Words(ctx, command); err != nil {
			return err
		}
		if err = c.command(ctx, words); err == nil || errors.Is(err, ErrUnknownCommand) {
			return err
		}
	}
	return err
}

// Words lets a real shell split a simple command, so that its quoting is judged by what will read it.
func Words(ctx context.Context, command string) ([]string, error) {
	output, err := exec.CommandContext(ctx, "sh", "-c", `printf '%s\0' `+command).Output()
	if err != nil {
		return nil, fmt.Errorf("splitting %q: %w", command, err)
	}
	return strings.Split(strings.TrimSuffix(string(output), "\x00"), "\x00"), nil
}

// command makes the calls of one command.
func (c *Console) command(ctx context.Context, words []string) error {
	for _, known := range commands() {
		params, ok := known.arguments(words)
		if !ok {
			continue
		}
		if known.vm {
			node, err := c.nodeOf(ctx, params.Get("vmid"))
			if err != nil {
				return err
			}
			params.Set("node", node)
		}
		path := known.path
		for name := range params {
			if hole := "{" + name + "}"; strings.Contains(path, hole) {
				path = strings.ReplaceAll(path, hole, url.PathEscape(params.Get(name)))
				params.Del(name)
			}
		}
		for name, value := range known.fixed {
			params.Set(name, value)
		}
		body, err := c.Call(ctx, known.method, path, params)
		if err == nil {
			c.noteSecret(body)
		}
		return err
	}
	return fmt.Errorf("%w: %q", ErrUnknownCommand, words)
}

// Call makes one call of the API as root, and returns the body of the answer.
func (c *Console) Call(ctx context.Context, method, path string, params url.Values) ([]byte, error) {
	address, form := "https://console.invalid:8006/api2/json"+path, params.Encode()
	if method == http.MethodGet || method == http.MethodDelete {
		address, form = address+"?"+form, ""
	}
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form))
	if err != nil {
		return nil, err
	}
	if form != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := c.server.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %s: %s %s", method, path, resp.Status, body)
	}
	return body, nil
}

// nodeOf is the node that has the VM: qm works on its own node's VMs only.
func (c *Console) nodeOf(ctx context.Context, vmid string) (string, error) {
	body, err := c.Call(ctx, http.MethodGet, "/cluster/resources", url.Values{"type": {"vm"}})
	if err != nil {
		return "", err
	}
	var list struct {
		Data []struct {
			VMID json.Number `json:"vmid"`
			Node string      `json:"node"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return "", fmt.Errorf("reading the list of VMs: %w", err)
	}
	for _, vm := range list.Data {
		if vm.VMID.String() == vmid {
			return vm.Node, nil
		}
	}
	return "", fmt.Errorf("Configuration file 'nodes/pve/qemu-server/%s.conf' does not exist", vmid) //nolint:staticcheck // qm's own words
}

// noteSecret keeps a token's secret, which is shown once.
func (c *Console) noteSecret(body []byte) {
	var shown struct {
		Data struct {
			ID     string `json:"full-tokenid"`
			Secret string `json:"value"`
		} `json:"data"`
	}
	if json.Unmarshal(body, &shown) == nil && shown.Data.Secret != "" {
		c.secrets[shown.Data.ID] = shown.Data.Secret
	}
}
