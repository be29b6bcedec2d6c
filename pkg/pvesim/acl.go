package pvesim

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// access is user.cfg: users, tokens, roles and who has which role where.
type access struct {
	users map[string]*user
	roles map[string]*role
	acl   []grant
}

type user struct {
	id       string
	password string
	enabled  bool
	expires  int64 // seconds since the epoch; 0 is never
	comment  string
	email    string
	first    string
	last     string
	tokens   map[string]*token
}

type token struct {
	name    string
	secret  string
	privsep bool
	expires int64
	comment string
}

// grant is one entry of the access control list.
type grant struct {
	path      string
	who       string
	role      string
	propagate bool
}

// privileges are those somebody has on a path; the value says whether they reach further down.
type privileges map[string]bool

func newAccess(major int) access {
	a := access{users: map[string]*user{}, roles: builtinRoles(major)}
	a.users["root@pam"] = &user{id: "root@pam", enabled: true, tokens: map[string]*token{}}
	return a
}

func (a *access) build(t Topology) error {
	for _, r := range t.Roles {
		a.roles[r.Name] = &role{privileges: slices.Sorted(slices.Values(r.Privileges))}
	}
	for _, s := range t.Users {
		u := &user{id: s.ID, password: s.Password, enabled: !s.Disabled, tokens: map[string]*token{}}
		for _, ts := range s.Tokens {
			u.tokens[ts.Name] = &token{name: ts.Name, secret: ts.Secret, privsep: ts.Privsep, expires: unixOrZero(ts.Expires)}
		}
		a.users[s.ID] = u
	}
	for _, g := range t.Grants {
		if _, ok := a.roles[g.Role]; !ok {
			return fmt.Errorf("grant on %s: no role %q", g.Path, g.Role)
		}
		a.set(grant{path: g.Path, who: g.Who, role: g.Role, propagate: g.Propagate})
	}
	return nil
}

func unixOrZero(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// set adds or changes an entry of the access control list.
func (a *access) set(g grant) {
	a.unset(g)
	a.acl = append(a.acl, g)
}

func (a *access) unset(g grant) {
	a.acl = slices.DeleteFunc(a.acl, func(old grant) bool {
		return old.path == g.path && old.who == g.who && old.role == g.role
	})
}

// forgetPath removes every entry for a path: a destroyed VM leaves none behind.
func (a *access) forgetPath(path string) {
	a.acl = slices.DeleteFunc(a.acl, func(g grant) bool { return g.path == path })
}

// rolesOn returns the roles of a user or token on a path with their propagate flags. An entry further down replaces
// those above it.
func (a *access) rolesOn(who, path string) map[string]bool {
	roles := map[string]bool{}
	prefixes := []string{"/"}
	if path != "/" {
		parts := strings.Split(strings.Trim(path, "/"), "/")
		for i := range parts {
			prefixes = append(prefixes, "/"+strings.Join(parts[:i+1], "/"))
		}
	}
	for i, prefix := range prefixes {
		here := map[string]bool{}
		for _, g := range a.acl {
			if g.path == prefix && g.who == who && (g.propagate || i == len(prefixes)-1) {
				here[g.role] = g.propagate
			}
		}
		if len(here) > 0 {
			roles = here
		}
	}
	if propagate, none := roles["NoAccess"]; none {
		return map[string]bool{"NoAccess": propagate}
	}
	return roles
}

// permissions returns what somebody may do on a path. Members of a pool, and its storages, inherit what was granted on
// the pool. A privilege-separated token has what it and its user both have.
func (c *Cluster) permissions(who, path string) privileges {
	if path == "" {
		return privileges{} // not a path
	}
	name, tokenName, isToken := strings.Cut(who, "!")
	if !isToken {
		if who == "root@pam" {
			return c.granted("", path, c.access.roles["Administrator"])
		}
		return c.granted(who, path, nil)
	}
	u, ok := c.access.users[name]
	if !ok || u.tokens[tokenName] == nil {
		return privileges{}
	}
	own := c.permissions(name, path)
	if !u.tokens[tokenName].privsep {
		return own
	}
	both := privileges{}
	for privilege, propagate := range c.granted(who, path, nil) {
		if also, has := own[privilege]; has {
			both[privilege] = propagate && also
		}
	}
	return both
}

// granted adds up the roles on a path; everything is given by the role that is passed in, if one is.
func (c *Cluster) granted(who, path string, everything *role) privileges {
	result := privileges{}
	if everything != nil {
		for _, p := range everything.privileges {
			result[p] = true
		}
		return result
	}
	for name, propagate := range c.access.rolesOn(who, path) {
		c.addRole(result, name, propagate)
	}
	if p := c.poolOf(path); p != nil {
		for name := range c.access.rolesOn(who, "/pool/"+p.name) {
			inherited := privileges{}
			c.addRole(inherited, name, false)
			for privilege := range inherited {
				if _, has := result[privilege]; !has {
					result[privilege] = false
				}
			}
		}
	}
	return result
}

func (c *Cluster) addRole(to privileges, name string, propagate bool) {
	r, ok := c.access.roles[name]
	if !ok {
		return
	}
	for _, p := range r.privileges {
		to[p] = to[p] || propagate
	}
}

var memberPath = regexp.MustCompile(`^/(vms|storage)/([^/]+)$`)

// poolOf returns the pool that a VM or storage path belongs to.
func (c *Cluster) poolOf(path string) *pool {
	m := memberPath.FindStringSubmatch(path)
	if m == nil {
		return nil
	}
	for _, p := range c.pools {
		if m[1] == "vms" && slices.ContainsFunc(p.vms, func(id int) bool { return fmt.Sprint(id) == m[2] }) ||
			m[1] == "storage" && slices.Contains(p.storages, m[2]) {
			return p
		}
	}
	return nil
}

// holds reports whether the caller has any of the privileges on a path.
func (k *call) holds(path string, any ...string) bool {
	have := k.permissions(k.who.String(), path)
	return slices.ContainsFunc(any, func(p string) bool { _, ok := have[p]; return ok })
}

// require fails unless the caller has all the privileges on a path; the error names the first that is missing.
func (k *call) require(path string, all ...string) error {
	for _, p := range all {
		if !k.holds(path, p) {
			return refused(path + ", " + p)
		}
	}
	return nil
}

// requireAny fails unless the caller has one of the privileges on a path.
func (k *call) requireAny(path string, any ...string) error {
	if k.holds(path, any...) {
		return nil
	}
	return refused(path + ", " + strings.Join(any, "|"))
}

// allPermissions returns what somebody may do on every path that matters.
func (c *Cluster) allPermissions(who string) map[string]privileges {
	paths := map[string]bool{}
	for _, p := range []string{"/", "/access", "/access/groups", "/nodes", "/pool", "/sdn", "/storage", "/vms"} {
		paths[p] = true
	}
	for _, g := range c.access.acl {
		paths[g.path] = true
	}
	for _, p := range c.pools {
		for _, id := range p.vms {
			paths[fmt.Sprintf("/vms/%d", id)] = true
		}
		for _, s := range p.storages {
			paths["/storage/"+s] = true
		}
	}
	result := map[string]privileges{}
	for path := range paths {
		if have := c.permissions(who, path); len(have) > 0 {
			result[path] = have
		}
	}
	return result
}
