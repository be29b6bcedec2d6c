package console

import (
	"net/http"
	"net/url"
	"strings"
)

// command is one that the console has.
type command struct {
	usage  string // the words; positional arguments in braces
	method string
	path   string // of the call, with the positional arguments in braces
	vm     bool   // the path needs the VM's node
	fixed  map[string]string
}

// commands are those that labctl prints and the emulator can carry out (PVE/CLI/*.pm, $cmddef).
func commands() []command {
	const guest = "/nodes/{node}/qemu/{vmid}"
	return []command{
		{usage: "pveum pool add {poolid}", method: http.MethodPost, path: "/pools"},
		{usage: "pveum pool modify {poolid}", method: http.MethodPut, path: "/pools"},
		{usage: "pveum user add {userid}", method: http.MethodPost, path: "/access/users"},
		{usage: "pveum user modify {userid}", method: http.MethodPut, path: "/access/users/{userid}"},
		{usage: "pveum user list", method: http.MethodGet, path: "/access/users"},
		{usage: "pveum user token add {userid} {tokenid}", method: http.MethodPost, path: "/access/users/{userid}/token/{tokenid}"},
		{usage: "pveum user token modify {userid} {tokenid}", method: http.MethodPut, path: "/access/users/{userid}/token/{tokenid}"},
		{usage: "pveum user token list {userid}", method: http.MethodGet, path: "/access/users/{userid}/token"},
		{usage: "pveum user token remove {userid} {tokenid}", method: http.MethodDelete, path: "/access/users/{userid}/token/{tokenid}"},
		{usage: "pveum role add {roleid}", method: http.MethodPost, path: "/access/roles"},
		{usage: "pveum role modify {roleid}", method: http.MethodPut, path: "/access/roles/{roleid}"},
		{usage: "pveum acl modify {path}", method: http.MethodPut, path: "/access/acl"},
		{usage: "pvesm set {storage}", method: http.MethodPut, path: "/storage/{storage}"},
		{usage: "qm config {vmid}", method: http.MethodGet, path: guest + "/config", vm: true},
		{usage: "qm set {vmid}", method: http.MethodPut, path: guest + "/config", vm: true},
		{usage: "qm stop {vmid}", method: http.MethodPost, path: guest + "/status/stop", vm: true},
		{usage: "qm destroy {vmid}", method: http.MethodDelete, path: guest, vm: true},
		// qm writes the file itself (PVE/CLI/qm.pm, unlock): the same as root's request with skiplock.
		{usage: "qm unlock {vmid}", method: http.MethodPut, path: guest + "/config", vm: true, fixed: map[string]string{"delete": "lock", "skiplock": "1"}},
	}
}

// arguments matches words with the command and collects the positional arguments and the options.
func (c command) arguments(words []string) (url.Values, bool) {
	usage, params := strings.Fields(c.usage), url.Values{}
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
