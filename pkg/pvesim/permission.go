package pvesim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

// permission is the privilege check of a method as the schema writes it: ["perm", path, [privileges], options...],
// or several of them under "and" or "or".
type permission struct {
	kind       string
	parts      []*permission
	path       string
	privileges []string
	any        bool
	require    string // the parameter without which the check fails
}

// UnmarshalJSON implements json.Unmarshaler.
func (p *permission) UnmarshalJSON(raw []byte) error {
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil || len(items) == 0 {
		return fmt.Errorf("permission %s: %w", raw, err)
	}
	if err := json.Unmarshal(items[0], &p.kind); err != nil {
		return err
	}
	switch p.kind {
	case "and", "or":
		p.parts = make([]*permission, len(items)-1)
		for i, item := range items[1:] {
			if err := json.Unmarshal(item, &p.parts[i]); err != nil {
				return err
			}
		}
		return nil
	case "perm":
		return p.unmarshalPerm(items)
	case "perm-modify", "userid-param":
		return json.Unmarshal(items[1], &p.path)
	case "userid-group":
		return json.Unmarshal(items[1], &p.privileges)
	}
	return fmt.Errorf("unknown permission check %q", p.kind)
}

func (p *permission) unmarshalPerm(items []json.RawMessage) error {
	if err := json.Unmarshal(items[1], &p.path); err != nil {
		return err
	}
	if err := json.Unmarshal(items[2], &p.privileges); err != nil {
		return err
	}
	for i := 3; i+1 < len(items); i += 2 {
		switch string(items[i]) {
		case `"any"`:
			p.any = true
		case `"require_param"`:
			if err := json.Unmarshal(items[i+1], &p.require); err != nil {
				return err
			}
		}
	}
	return nil
}

// authorize is the privilege check before a method runs. It looks at raw parameters: they are verified later.
func (k *call) authorize(m *method) error {
	switch {
	case m.NoToken && k.who.token != "":
		return refused(fmt.Sprintf("URI '%s' not available with API token, need proper ticket.\n", m.Path))
	case m.User == "world", m.User == "all" && m.Check == nil, k.who.isRoot():
		return nil
	case m.Check == nil:
		return refused("user != root@pam")
	}
	return k.evaluate(m.Check)
}

// evaluate runs one check. The failure of an alternative carries no details.
func (k *call) evaluate(p *permission) error {
	switch p.kind {
	case "and":
		for _, part := range p.parts {
			if err := k.evaluate(part); err != nil {
				return err
			}
		}
		return nil
	case "or":
		for _, part := range p.parts {
			if k.evaluate(part) == nil {
				return nil
			}
		}
		return refused("")
	case "userid-param":
		return k.checkUserParam(p.path)
	case "userid-group":
		if k.holds("/access/groups", p.privileges...) {
			return nil
		}
		return refused("")
	case "perm-modify":
		return k.checkModify(k.fill(p.path))
	}
	if p.require != "" && !k.params.has(p.require) {
		return refused("")
	}
	if p.any {
		return k.requireAny(k.fill(p.path), p.privileges...)
	}
	return k.require(k.fill(p.path), p.privileges...)
}

var (
	placeholder = regexp.MustCompile(`\{[^}]+\}`)
	legalPath   = regexp.MustCompile(`^/[\w.:@/-]*$`)
)

// fill puts parameters into a path. A path that cannot be one is empty, and nobody has anything there.
func (k *call) fill(path string) string {
	path = placeholder.ReplaceAllStringFunc(path, func(name string) string {
		return k.params.text(strings.Trim(name, "{}"))
	})
	if !legalPath.MatchString(path) {
		return ""
	}
	if path != "/" {
		path = strings.TrimRight(path, "/")
	}
	return path
}

// checkUserParam is the check of methods about a user: that it is the caller, or that the realm is theirs.
func (k *call) checkUserParam(what string) error {
	id := k.params.text("userid")
	if what == "self" {
		if id == k.who.user && k.who.token == "" {
			return nil
		}
		return refused("")
	}
	_, realm, _ := strings.Cut(id, "@")
	return k.require("/access/realm/"+realm, what)
}

// checkModify is the check of changing the access control list of a path.
func (k *call) checkModify(path string) error {
	if k.holds(path, "Permissions.Modify") {
		return nil
	}
	own := map[string]string{"/storage/": "Datastore.Allocate", "/vms/": "VM.Allocate", "/pool/": "Pool.Allocate"}
	for prefix, privilege := range own {
		if strings.HasPrefix(path, prefix) && k.holds(path, privilege) {
			return nil
		}
	}
	return refused(path + ", Permissions.Modify")
}

// checkUpload is the check of an upload, which is made before its body is taken: late and without a body of its own.
func (k *call) checkUpload(m *method) error {
	err := k.authorize(m)
	if err == nil {
		return nil
	}
	return &apiError{status: http.StatusForbidden, message: err.Error(), bare: true, delay: k.timings.AuthDelay}
}
