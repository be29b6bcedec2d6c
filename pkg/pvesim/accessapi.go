package pvesim

import (
	"slices"
	"strings"
)

// getPermissions is GET /access/permissions: what the caller may do. The numbers say whether a privilege reaches
// further down, not whether it is held.
func getPermissions(k *call) (any, error) {
	who := k.who.String()
	if other := k.params.text("userid"); other != "" && other != who {
		if err := k.require("/access", "Sys.Audit"); err != nil {
			return nil, err
		}
		who = other
	}
	result := map[string]map[string]int{}
	if path := k.params.text("path"); path != "" {
		result[path] = k.permissions(who, path).numbers()
		return result, nil
	}
	for path, have := range k.allPermissions(who) {
		result[path] = have.numbers()
	}
	return result, nil
}

func (p privileges) numbers() map[string]int {
	result := make(map[string]int, len(p))
	for name, propagate := range p {
		result[name] = 0
		if propagate {
			result[name] = 1
		}
	}
	return result
}

type roleRow struct {
	RoleID  string `json:"roleid"`
	Privs   string `json:"privs"`
	Special int    `json:"special"`
}

// listRoles is GET /access/roles.
func listRoles(k *call) (any, error) {
	list := []roleRow{}
	for _, name := range sortedKeys(k.access.roles) {
		r := k.access.roles[name]
		row := roleRow{RoleID: name, Privs: strings.Join(r.privileges, ",")}
		if r.special {
			row.Special = 1
		}
		list = append(list, row)
	}
	return list, nil
}

// getRole is GET /access/roles/{roleid}.
func getRole(k *call) (any, error) {
	name := k.params.text("roleid")
	r, ok := k.access.roles[name]
	if !ok {
		return nil, failure("role '%s' does not exist", name)
	}
	held := map[string]int{}
	for _, p := range r.privileges {
		held[p] = 1
	}
	return held, nil
}

// createRole is POST /access/roles.
func createRole(k *call) (any, error) {
	name := k.params.text("roleid")
	if _, taken := k.access.roles[name]; taken {
		return nil, failure("create role failed: role '%s' already exists", name)
	}
	list := k.params.list("privs")
	if err := k.checkPrivileges("privs", list); err != nil {
		return nil, err
	}
	slices.Sort(list)
	k.access.roles[name] = &role{privileges: slices.Compact(list)}
	return nil, nil
}

// updateRole is PUT /access/roles/{roleid}.
func updateRole(k *call) (any, error) {
	name := k.params.text("roleid")
	r, ok := k.access.roles[name]
	switch {
	case !ok:
		return nil, failure("update role failed: role '%s' does not exist", name)
	case r.special:
		return nil, failure("update role failed: auto-generated role '%s' cannot be modified", name)
	}
	list := k.params.list("privs")
	if err := k.checkPrivileges("privs", list); err != nil {
		return nil, err
	}
	if k.params.flag("append") {
		list = append(list, r.privileges...)
	}
	slices.Sort(list)
	r.privileges = slices.Compact(list)
	return nil, nil
}

// deleteRole is DELETE /access/roles/{roleid}.
func deleteRole(k *call) (any, error) {
	name := k.params.text("roleid")
	r, ok := k.access.roles[name]
	switch {
	case !ok:
		return nil, failure("delete role failed: role '%s' does not exist", name)
	case r.special:
		return nil, failure("delete role failed: auto-generated role '%s' cannot be deleted", name)
	}
	delete(k.access.roles, name)
	k.access.acl = slices.DeleteFunc(k.access.acl, func(g grant) bool { return g.role == name })
	return nil, nil
}

type grantRow struct {
	Path      string `json:"path"`
	RoleID    string `json:"roleid"`
	Type      string `json:"type"`
	UGID      string `json:"ugid"`
	Propagate int    `json:"propagate"`
}

// listGrants is GET /access/acl.
func listGrants(k *call) (any, error) {
	list := []grantRow{}
	for _, g := range k.access.acl {
		if !k.holds(g.path, "Permissions.Modify", "Sys.Audit") && !k.holds("/access", "Sys.Audit") {
			continue
		}
		kind := "user"
		if strings.Contains(g.who, "!") {
			kind = "token"
		}
		list = append(list, grantRow{Path: g.path, RoleID: g.role, Type: kind, UGID: g.who, Propagate: bit(g.propagate)})
	}
	return list, nil
}

// setGrants is PUT /access/acl: every named user and token gets, or loses, every named role.
func setGrants(k *call) (any, error) {
	path := k.params.text("path")
	if !legalPath.MatchString(path) {
		return nil, badParameter("path", "invalid ACL path '%s'", path)
	}
	if path != "/" {
		path = strings.TrimRight(path, "/")
	}
	who := append(k.params.list("users"), k.params.list("tokens")...)
	if len(who) == 0 && !k.params.has("groups") {
		return nil, badParameters(map[string]string{
			"users":  "either 'users', 'groups' or 'tokens' is required.",
			"groups": "either 'users', 'groups' or 'tokens' is required.",
			"tokens": "either 'users', 'groups' or 'tokens' is required.",
		})
	}
	propagate := !k.params.has("propagate") || k.params.flag("propagate")
	for _, name := range k.params.list("roles") {
		if _, ok := k.access.roles[name]; !ok {
			return nil, failure("ACL update failed: role '%s' does not exist", name)
		}
		for _, id := range who {
			if err := k.checkExists(id); err != nil {
				return nil, err
			}
			g := grant{path: path, who: id, role: name, propagate: propagate}
			if k.params.flag("delete") {
				k.access.unset(g)
			} else {
				k.access.set(g)
			}
		}
	}
	return nil, nil
}

// checkExists fails when a user or token that is to be granted something does not exist.
func (k *call) checkExists(id string) error {
	name, tokenName, isToken := strings.Cut(id, "!")
	u, ok := k.access.users[name]
	if !ok {
		return failure("ACL update failed: no such user ('%s')", name)
	}
	if isToken && u.tokens[tokenName] == nil {
		return failure("ACL update failed: no such token '%s' for user '%s'", tokenName, name)
	}
	return nil
}
