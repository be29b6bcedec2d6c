package pvesim

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// identity is who a request comes from.
type identity struct {
	user  string
	token string // empty when logged in with a ticket
}

// String is how Proxmox spells it: user@realm, or user@realm!token.
func (i identity) String() string {
	if i.token == "" {
		return i.user
	}
	return i.user + "!" + i.token
}

// isRoot reports whether it is root itself; root's own API tokens are not.
func (i identity) isRoot() bool { return i.user == "root@pam" && i.token == "" }

// ticketLife is how many seconds a ticket is good for.
const ticketLife = 7200

// unauthorized is a refused authentication: late, and with nothing but a reason.
func (c *Cluster) unauthorized(reason string) error {
	return &apiError{status: http.StatusUnauthorized, message: reason, bare: true, delay: c.timings.AuthDelay}
}

// authenticate finds out who the caller is. Only logging in needs no proof.
func (c *Cluster) authenticate(k *call, r *http.Request, rt route) error {
	if k.ctx.Value(consoleKey{}) != nil {
		k.who = identity{user: "root@pam"}
		return nil
	}
	header := r.Header.Get("Authorization")
	if value, ok := strings.CutPrefix(header, "PVEAPIToken"); ok && value != "" {
		return c.authenticateToken(k, value[1:])
	}
	if rt.path == "/access/ticket" || rt.path == "/access/domains" && r.Method == http.MethodGet {
		return nil
	}
	ticket := ticketOf(r, header)
	if ticket == "" {
		return c.unauthorized("No ticket")
	}
	name, ok := c.checkTicket(ticket)
	if !ok {
		return c.unauthorized("Authentication failed!")
	}
	k.who = identity{user: name}
	isUpload := strings.HasSuffix(rt.path, "/upload")
	if r.Method != http.MethodGet && !isUpload && !c.checkCSRF(name, r.Header.Get("CSRFPreventionToken")) {
		return c.unauthorized("Permission denied - invalid csrf token")
	}
	return nil
}

func (c *Cluster) authenticateToken(k *call, value string) error {
	failed := c.unauthorized("Authentication failed!")
	id, secret, ok := strings.Cut(value, "=")
	name, tokenName, isToken := strings.Cut(id, "!")
	if !ok || !isToken {
		return failed
	}
	u, known := c.access.users[name]
	if !known || !u.valid(c.clock.Unix()) {
		return failed
	}
	t, known := u.tokens[tokenName]
	if !known || t.secret != secret || t.expires != 0 && t.expires <= c.clock.Unix() {
		return failed
	}
	k.who = identity{user: name, token: tokenName}
	return nil
}

// valid reports whether the user is enabled and not expired.
func (u *user) valid(now int64) bool { return u.enabled && (u.expires == 0 || u.expires > now) }

// ticketOf finds the ticket in the cookie or in the Authorization header.
func ticketOf(r *http.Request, header string) string {
	raw, ok := strings.CutPrefix(header, "PVEAuthCookie=")
	if !ok {
		raw = ""
		for cookie := range strings.SplitSeq(r.Header.Get("Cookie"), ";") {
			if value, found := strings.CutPrefix(strings.TrimSpace(cookie), "PVEAuthCookie="); found {
				raw = value
			}
		}
	}
	decoded, err := url.PathUnescape(raw)
	if err != nil {
		return raw
	}
	return decoded
}

// sign is the secret part of tickets and CSRF tokens. The key is this cluster's own.
func (c *Cluster) sign(what string) string {
	mac := hmac.New(sha256.New, fmt.Appendf(nil, "%p", c))
	mac.Write([]byte(what))
	return base64.RawStdEncoding.EncodeToString(mac.Sum(nil))
}

func (c *Cluster) newTicket(name string) (ticket, csrf string) {
	stamp := fmt.Sprintf("%08X", c.clock.Unix())
	plain := "PVE:" + name + ":" + stamp
	return plain + "::" + c.sign(plain), stamp + ":" + c.sign("csrf:"+name+":"+stamp)
}

func (c *Cluster) checkTicket(ticket string) (name string, ok bool) {
	plain, signature, ok := strings.Cut(ticket, "::")
	parts := strings.Split(plain, ":")
	if !ok || len(parts) != 3 || signature != c.sign(plain) {
		return "", false
	}
	stamp, err := strconv.ParseInt(parts[2], 16, 64)
	u, known := c.access.users[parts[1]]
	return parts[1], err == nil && known && u.valid(c.clock.Unix()) && c.clock.Unix()-stamp <= ticketLife
}

func (c *Cluster) checkCSRF(name, token string) bool {
	stamp, signature, _ := strings.Cut(token, ":")
	return signature == c.sign("csrf:"+name+":"+stamp)
}

// login is POST /access/ticket. A ticket can stand for the password: that renews it.
func login(k *call) (any, error) {
	if k.who.token != "" {
		return nil, refused("URI '/access/ticket' not available with API token, need proper ticket.")
	}
	name := k.params.text("username")
	if realm := k.params.text("realm"); realm != "" && !strings.Contains(name, "@") {
		name += "@" + realm
	}
	password := k.params.text("password")
	u, known := k.access.users[name]
	renewed, isTicket := k.checkTicket(password)
	if !known || !u.valid(k.clock.Unix()) || !(isTicket && renewed == name || u.password != "" && u.password == password) {
		return nil, &apiError{status: http.StatusUnauthorized, message: "authentication failure", delay: k.timings.AuthDelay}
	}
	ticket, csrf := k.newTicket(name)
	return loginAnswer{Username: name, Ticket: ticket, CSRF: csrf, Capabilities: k.capabilities(name)}, nil
}

type loginAnswer struct {
	Username     string                    `json:"username"`
	Ticket       string                    `json:"ticket"`
	CSRF         string                    `json:"CSRFPreventionToken"`
	Capabilities map[string]map[string]int `json:"cap"`
}

// capabilities tells the web interface which parts of it make sense for a user.
func (c *Cluster) capabilities(name string) map[string]map[string]int {
	kinds := map[string]string{ // kind of object → what its privileges begin with
		"vms": "VM.", "storage": "Datastore.", "nodes": "Sys.", "sdn": "SDN.", "mapping": "Mapping.", "access": "User.|Group.",
		"dc": "Sys.Audit|Sys.Modify|SDN.",
	}
	result := map[string]map[string]int{}
	for kind := range kinds {
		result[kind] = map[string]int{}
	}
	for path, have := range c.allPermissions(name) {
		for privilege := range have {
			for kind, prefixes := range kinds {
				if covers(kind, path) && hasAnyPrefix(privilege, prefixes+"|Permissions.") && (kind != "dc" || privilege != "Permissions.Modify") {
					result[kind][privilege] = 1
				}
			}
		}
	}
	return result
}

func covers(kind, path string) bool {
	part := cmp.Or(map[string]string{"dc": "/"}[kind], "/"+kind)
	return path == "/" || strings.HasPrefix(path, part)
}

func hasAnyPrefix(s, prefixes string) bool {
	for p := range strings.SplitSeq(prefixes, "|") {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}
