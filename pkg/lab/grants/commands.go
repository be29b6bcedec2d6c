package grants

import (
	"slices"
	"strings"

	"labctl/pkg/internal/shell"
)

// Setup are the commands that make the pool, the user, the token and exactly the grants of the list, to be run by root
// on any node. They may be run again, also with a longer list: each line changes what is there, and makes what is not.
// The token's secret is shown once, by the command that makes the token.
func (l List) Setup(tokenID string) []string {
	user, token, _ := strings.Cut(tokenID, "!")
	var commands []string
	for _, path := range l.Paths() {
		if pool, ok := strings.CutPrefix(path, "/pool/"); ok {
			commands = append(commands, AddPool(pool))
		}
	}
	commands = append(commands,
		modifyOrAdd(shell.New("user"), shell.Command{}.User(user), shell.Command{}, shell.Command{}),
		modifyOrAdd(shell.New("user", "token"), shell.Command{}.User(user).Token(token), shell.Command{}, shell.New("--privsep", "1")))
	for _, path := range l.Paths() {
		if command := addToRole(l.role(path), l.ofRole(l.role(path))); !slices.Contains(commands, command) {
			commands = append(commands, command)
		}
	}
	for _, path := range l.Paths() {
		commands = append(commands, modifyACL(path, l.role(path), tokenID))
	}
	return commands
}

// Remedy are the commands that add the grants of the list to what there is: whether the role is missing, lacks the
// privilege, or was given to the user but not to the token, they put it right.
func (l List) Remedy(tokenID string) []string {
	var commands []string
	for _, path := range l.Paths() {
		commands = append(commands, addToRole(l.role(path), l.On(path)), modifyACL(path, l.role(path), tokenID))
	}
	return commands
}

// AddPool is the command that makes a pool unless it is there.
func AddPool(pool string) string {
	return modifyOrAdd(shell.New("pool"), shell.Command{}.Pool(pool), shell.Command{}, shell.Command{})
}

// MakesPool says whether a server of that major version makes a pool of that name. 9 refuses names that do not begin with a
// letter, and keeps those that it has from before (pve-manager 9.2.11, PVE/API2/Pool.pm 191-198).
func MakesPool(pool string, major int) bool {
	leaf := pool[strings.LastIndex(pool, "/")+1:]
	return major < 9 || leaf != "" && strings.Trim(leaf[:1], "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == ""
}

// addToRole is the command that gives a role the privileges and keeps those that it has.
func addToRole(role string, privileges []string) string {
	return modifyOrAdd(shell.New("role"), shell.Command{}.Role(role),
		shell.New("--append", "1", "--privs").Privileges(privileges), shell.New("--privs").Privileges(privileges))
}

// modifyOrAdd is a line of pveum that succeeds however often it is run: `add` refuses what exists ("pool 'labctl' already
// exists": pve-manager 9.2.11, PVE/API2/Pool.pm 190; likewise User.pm 333 and 806, Role.pm 107 of pve-access-control
// 9.1.1), and `modify` refuses what does not exist and without options changes nothing (User.pm 452 and 881, Pool.pm 315).
func modifyOrAdd(kind, name, modify, add shell.Command) string {
	pveum := func(verb string, options shell.Command) shell.Command {
		return shell.New("pveum").Add(kind).Words(verb).Add(name).Add(options)
	}
	return pveum("modify", modify).Or(pveum("add", add)).String()
}

// modifyACL gives the role to the token and to its user: with privilege separation the token has what both have.
func modifyACL(path, role, tokenID string) string {
	user, _, _ := strings.Cut(tokenID, "!")
	return shell.New("pveum", "acl", "modify").ACLPath(path).Words("--users").User(user).Words("--tokens").TokenID(tokenID).
		Words("--roles").Role(role).String()
}

// ofRole are the privileges of a role: those on all of its paths.
func (l List) ofRole(name string) []string {
	var privileges []string
	for _, grant := range l {
		if l.role(grant.Path) == name && !slices.Contains(privileges, grant.Privilege) {
			privileges = append(privileges, grant.Privilege)
		}
	}
	return privileges
}
