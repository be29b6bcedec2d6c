package pvesim

import (
	"slices"
	"strconv"
	"strings"
)

type userRow struct {
	UserID    string                `json:"userid,omitempty"`
	Enable    int                   `json:"enable"`
	Expire    int64                 `json:"expire"`
	Comment   string                `json:"comment,omitempty"`
	Email     string                `json:"email,omitempty"`
	FirstName string                `json:"firstname,omitempty"`
	LastName  string                `json:"lastname,omitempty"`
	RealmType string                `json:"realm-type,omitempty"`
	Tokens    map[string]tokenShort `json:"tokens,omitempty"`
}

type tokenShort struct {
	Privsep int    `json:"privsep"`
	Expire  int64  `json:"expire"`
	Comment string `json:"comment,omitempty"`
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (u *user) row() userRow {
	return userRow{
		Enable: bit(u.enabled), Expire: u.expires, Comment: u.comment, Email: u.email, FirstName: u.first, LastName: u.last,
	}
}

func (k *call) userNamed(id string) (*user, error) {
	u, ok := k.access.users[id]
	if !ok {
		return nil, failure("no such user ('%s')", id)
	}
	return u, nil
}

// listUsers is GET /access/users: all with the privilege, otherwise oneself.
func listUsers(k *call) (any, error) {
	list := []userRow{}
	for _, id := range sortedKeys(k.access.users) {
		if id != k.who.String() && !k.holds("/access/groups", "User.Modify", "Sys.Audit") {
			continue
		}
		row := k.access.users[id].row()
		row.UserID = id
		row.RealmType = id[strings.LastIndex(id, "@")+1:]
		list = append(list, row)
	}
	return list, nil
}

// getUser is GET /access/users/{userid}.
func getUser(k *call) (any, error) {
	u, err := k.userNamed(k.params.text("userid"))
	if err != nil {
		return nil, err
	}
	row := u.row()
	for name, t := range u.tokens {
		if row.Tokens == nil {
			row.Tokens = map[string]tokenShort{}
		}
		row.Tokens[name] = tokenShort{Privsep: bit(t.privsep), Expire: t.expires, Comment: t.comment}
	}
	return row, nil
}

// createUser is POST /access/users.
func createUser(k *call) (any, error) {
	id := k.params.text("userid")
	if _, taken := k.access.users[id]; taken {
		return nil, failure("create user failed: user '%s' already exists", id)
	}
	u := &user{id: id, enabled: true, password: k.params.text("password"), tokens: map[string]*token{}}
	k.access.users[id] = u
	k.setUser(u)
	return nil, nil
}

func (k *call) setUser(u *user) {
	p := k.params
	if p.has("enable") {
		u.enabled = p.flag("enable")
	}
	if p.has("expire") {
		u.expires = int64(p.number("expire", 0))
	}
	for name, field := range map[string]*string{"comment": &u.comment, "email": &u.email, "firstname": &u.first, "lastname": &u.last} {
		if p.has(name) {
			*field = p.text(name)
		}
	}
}

// updateUser is PUT /access/users/{userid}.
func updateUser(k *call) (any, error) {
	id := k.params.text("userid")
	u, ok := k.access.users[id]
	if !ok {
		return nil, failure("update user failed: no such user ('%s')", id)
	}
	k.setUser(u)
	return nil, nil
}

// deleteUser is DELETE /access/users/{userid}.
func deleteUser(k *call) (any, error) {
	id := k.params.text("userid")
	u, ok := k.access.users[id]
	if !ok {
		return nil, failure("delete user failed: no such user ('%s')", id)
	}
	delete(k.access.users, id)
	k.access.acl = slices.DeleteFunc(k.access.acl, func(g grant) bool {
		return g.who == u.id || strings.HasPrefix(g.who, u.id+"!")
	})
	return nil, nil
}

// setPassword is PUT /access/password.
func setPassword(k *call) (any, error) {
	u, err := k.userNamed(k.params.text("userid"))
	if err != nil {
		return nil, err
	}
	u.password = k.params.text("password")
	return nil, nil
}

// tokenInfo is a token without its secret. The numbers are texts when it was just made.
type tokenInfo struct {
	TokenID string `json:"tokenid,omitempty"`
	Privsep any    `json:"privsep"`
	Expire  any    `json:"expire,omitempty"`
	Comment string `json:"comment,omitempty"`
}

func (t *token) info() tokenInfo {
	return tokenInfo{Privsep: bit(t.privsep), Expire: t.expires, Comment: t.comment}
}

// pathToken is the token of the path.
func (k *call) pathToken() (*user, *token, error) {
	u, err := k.userNamed(k.params.text("userid"))
	if err != nil {
		return nil, nil, err
	}
	t, ok := u.tokens[k.params.text("tokenid")]
	if !ok {
		return nil, nil, failure("no such token '%s' for user '%s'", k.params.text("tokenid"), u.id)
	}
	return u, t, nil
}

// listTokens is GET /access/users/{userid}/token.
func listTokens(k *call) (any, error) {
	u, err := k.userNamed(k.params.text("userid"))
	if err != nil {
		return nil, err
	}
	list := []tokenInfo{}
	for _, name := range sortedKeys(u.tokens) {
		i := u.tokens[name].info()
		i.TokenID = name
		list = append(list, i)
	}
	return list, nil
}

// getToken is GET /access/users/{userid}/token/{tokenid}.
func getToken(k *call) (any, error) {
	_, t, err := k.pathToken()
	if err != nil {
		return nil, err
	}
	return t.info(), nil
}

type newToken struct {
	FullID string    `json:"full-tokenid"`
	Value  string    `json:"value"`
	Info   tokenInfo `json:"info"`
}

// createToken is POST /access/users/{userid}/token/{tokenid}: the only time that the secret is shown.
func createToken(k *call) (any, error) {
	u, err := k.userNamed(k.params.text("userid"))
	if err != nil {
		return nil, err
	}
	name := k.params.text("tokenid")
	if _, taken := u.tokens[name]; taken {
		return nil, badParameter("tokenid", "Token already exists.")
	}
	t := &token{name: name, secret: k.uuid(), privsep: true}
	k.setToken(t)
	u.tokens[name] = t
	i := tokenInfo{Privsep: strconv.Itoa(bit(t.privsep)), Comment: t.comment}
	if k.params.has("expire") {
		i.Expire = k.params.text("expire")
	}
	return newToken{FullID: u.id + "!" + name, Value: t.secret, Info: i}, nil
}

func (k *call) setToken(t *token) {
	if k.params.has("privsep") {
		t.privsep = k.params.flag("privsep")
	}
	if k.params.has("expire") {
		t.expires = int64(k.params.number("expire", 0))
	}
	if k.params.has("comment") {
		t.comment = k.params.text("comment")
	}
}

// updateToken is PUT /access/users/{userid}/token/{tokenid}.
func updateToken(k *call) (any, error) {
	_, t, err := k.pathToken()
	if err != nil {
		return nil, err
	}
	k.setToken(t)
	i := t.info()
	if k.params.has("expire") {
		i.Expire = k.params.text("expire") // text, as sent
	}
	if k.params.has("privsep") {
		i.Privsep = k.params.text("privsep")
	}
	return i, nil
}

// deleteToken is DELETE /access/users/{userid}/token/{tokenid}.
func deleteToken(k *call) (any, error) {
	u, t, err := k.pathToken()
	if err != nil {
		return nil, err
	}
	delete(u.tokens, t.name)
	k.access.acl = slices.DeleteFunc(k.access.acl, func(g grant) bool { return g.who == u.id+"!"+t.name })
	return nil, nil
}
