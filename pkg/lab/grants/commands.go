package grants

import (
	"regexp"
	"slices"
	"strings"
)

// Setup are the commands that make the pool, the user, the token and exactly the grants of the list, to be run by root
// on any node of a server that has none of them. The token command shows the token's secret, once.
func (l List) Setup(tokenID string) []string {
	user, token, _ := strings.Cut(tokenID, "!")
	var commands []string
	for _, path := range l.Paths() {
		if pool, ok := strings.CutPrefix(path, "/pool/"); ok {
			commands = append(commands, "pveum pool add "+Quote(pool))
		}
	}
	commands = append(commands, "pveum user add "+Quote(user), "pveum user token add "+Quote(user)+" "+Quote(token)+" --privsep 1")
	for _, path := range l.Paths() {
		add := "pveum role add " + l.role(path) + " --privs " + privs(l.ofRole(l.role(path)))
		if !slices.Contains(commands, add) {
			commands = append(commands, add)
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
		name, wanted := l.role(path), privs(l.On(path))
		commands = append(commands,
			"pveum role modify "+name+" --append 1 --privs "+wanted+" || pveum role add "+name+" --privs "+wanted,
			modifyACL(path, l.role(path), tokenID))
	}
	return commands
}

// modifyACL gives the role to the token and to its user: with privilege separation the token has what both have.
func modifyACL(path, role, tokenID string) string {
	user, _, _ := strings.Cut(tokenID, "!")
	return "pveum acl modify " + Quote(path) + " --users " + Quote(user) + " --tokens " + Quote(tokenID) + " --roles " + role
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

func privs(privileges []string) string { return Quote(strings.Join(privileges, " ")) }

var plainWord = regexp.MustCompile(`^[A-Za-z0-9@%+=:,./_-]+$`)

// Quote makes one word of the shell of any text; the exclamation mark of a token would be an interactive shell's history.
func Quote(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
