package pve

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Error is a call that the server refused, or that got no proper answer.
type Error struct {
	// Method and Path are the call's, without /api2/json and without parameters.
	Method, Path string
	// Status is the HTTP status, 0 when no answer came. PVE also uses 595 to 599.
	Status int
	// Reason is the text of the status line; for some errors the only one.
	Reason string
	// Message is the text of the answer's body, without the newline at its end.
	Message string
	// Fields has the server's objections per parameter.
	Fields map[string]string

	kinds []error
	cause error
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: ", e.Method, e.Path)
	switch text := e.text(); {
	case e.Status == 0:
		fmt.Fprintf(&b, "no answer: %v", e.cause)
	case text == "":
		fmt.Fprintf(&b, "HTTP status %d", e.Status)
	default:
		b.WriteString(strconv.Itoa(e.Status) + " " + text)
	}
	for _, name := range slices.Sorted(maps.Keys(e.Fields)) {
		fmt.Fprintf(&b, "; %s: %s", name, strings.TrimSpace(e.Fields[name]))
	}
	if e.Status == 401 {
		b.WriteString(" (a wrong secret, an unknown, deleted or expired token and a disabled user all look like this: " +
			"check pve.token_id and pve.token_secret, and `pveum user token list USER` on the server)")
	}
	return b.String()
}

// Unwrap returns the kinds of the error and its cause, for errors.Is and errors.As.
func (e *Error) Unwrap() []error {
	if e.cause == nil {
		return e.kinds
	}
	return append(slices.Clone(e.kinds), e.cause)
}

// text is the fullest text there is: the body's, else the status line's.
func (e *Error) text() string {
	if e.Message != "" {
		return e.Message
	}
	return e.Reason
}

// PermissionError is a missing privilege as PVE names it.
type PermissionError struct {
	// Path is the ACL path, such as "/vms/9000"; "" when PVE did not say.
	Path string
	// Privilege is what was asked for; alternatives are joined by "|". "" when PVE did not say.
	Privilege string
	// TokenID is the token that lacks it.
	TokenID string
	// Detail is PVE's text.
	Detail string
}

// Error implements error.
func (e *PermissionError) Error() string {
	if e.Path == "" && e.Privilege == "" {
		return "the token lacks a privilege: " + e.Detail
	}
	return fmt.Sprintf("the token lacks %s on %s", e.Privilege, e.Path)
}

// Unwrap returns ErrPermission.
func (e *PermissionError) Unwrap() error { return ErrPermission }

// Remedy returns the commands that give the privilege, to be run by root on the
// server. A token with privilege separation holds only what its user holds too.
func (e *PermissionError) Remedy() string {
	if e.Path == "" || e.Privilege == "" {
		return "compare `pveum user token permissions` with the grants that labctl init prints"
	}
	user, _, _ := strings.Cut(e.TokenID, "!")
	role := "a role that has " + strings.ReplaceAll(e.Privilege, "|", " or ")
	return fmt.Sprintf("give %s to the token and to its user:\n"+
		"  pveum acl modify %s --tokens '%s' --roles ROLE\n  pveum acl modify %s --users %s --roles ROLE",
		role, e.Path, e.TokenID, e.Path, user)
}

// UnreachableError is a server that cannot be talked to: no connection could be
// made, or a read got no answer. Nothing was changed.
type UnreachableError struct {
	// URL is the server's address as configured.
	URL string
	// Err is the network's error.
	Err error
}

// Error implements error.
func (e *UnreachableError) Error() string {
	return fmt.Sprintf("no Proxmox VE server at %s: %v (check pve.url, the firewall, and that pveproxy runs there; its port is 8006)",
		e.URL, e.Err)
}

// Unwrap returns ErrTransient and the network's error.
func (e *UnreachableError) Unwrap() []error { return []error{ErrTransient, e.Err} }
