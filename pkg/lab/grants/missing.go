package grants

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// API tells what the token may do: per ACL path the privileges that it holds in effect, with privilege separation those
// that its user holds too. The empty path asks for all paths that grants are on.
type API interface {
	Permissions(ctx context.Context, path string) (map[string][]string, error)
}

// Missing is what of the list the token does not hold. When nothing is missing that takes one request; a path without
// grants of its own, whose rights come from above or from a pool, takes another.
func (l List) Missing(ctx context.Context, api API) (List, error) {
	held, err := api.Permissions(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("asking for the token's privileges: %w", err)
	}
	var missing List
	for _, path := range l.Paths() {
		have, known := held[path]
		if !known {
			one, err := api.Permissions(ctx, path)
			if err != nil {
				return nil, fmt.Errorf("asking for the token's privileges on %s: %w", path, err)
			}
			have = one[path]
		}
		for _, grant := range l {
			if grant.Path == path && !slices.Contains(have, grant.Privilege) {
				missing = append(missing, grant)
			}
		}
	}
	return missing, nil
}

// Missing is what the token does not hold of all that is needed. Privileges on VMs may also come from above: a right to
// all VMs serves as well as one to the pool (PVE::API2::Qemu, clone_vm), which only a VM's own path tells for sure.
func (n Needs) Missing(ctx context.Context, api API) (List, error) {
	missing, err := n.List().Missing(ctx, api)
	if err != nil || n.FirstVMID == 0 || !slices.ContainsFunc(missing, n.onVMs) {
		return missing, err
	}
	path := vmPath(n.FirstVMID)
	held, err := api.Permissions(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("asking for the token's privileges on %s: %w", path, err)
	}
	return slices.DeleteFunc(missing, func(grant Grant) bool { return n.onVMs(grant) && slices.Contains(held[path], grant.Privilege) }), nil
}

// onVMs says that a privilege is one on the lab's VMs.
func (n Needs) onVMs(grant Grant) bool {
	return grant.Path == "/pool/"+n.Pool && strings.HasPrefix(grant.Privilege, "VM.")
}

// Check is Missing as an error: nil, a *MissingError, or the server's.
func (n Needs) Check(ctx context.Context, api API, tokenID string) error {
	missing, err := n.Missing(ctx, api)
	if err != nil || len(missing) == 0 {
		return err
	}
	held, err := api.Permissions(ctx, "")
	if err != nil {
		return fmt.Errorf("asking for the token's privileges: %w", err)
	}
	return &MissingError{TokenID: tokenID, Missing: missing, Held: held}
}

// MissingError says which privileges a token lacks, why it needs them, and the commands that give them.
type MissingError struct {
	TokenID string
	Missing List
	Held    map[string][]string // what it holds, by path; it tells a name that is misspelt
}

// Error has a line for every path, and one for every command.
func (e *MissingError) Error() string {
	var lines []string
	for _, missing := range e.Missing.ByPath() {
		lines = append(lines, missing.Lack(e.TokenID))
	}
	lines = append(lines, e.Missing.doubts(e.Held)...)
	lines = append(lines, "give it, as root on the server:")
	for _, command := range e.Missing.Remedy(e.TokenID) {
		lines = append(lines, "  "+command)
	}
	return strings.Join(lines, "\n")
}

// ByPath splits the list into one for each path.
func (l List) ByPath() []List {
	var lists []List
	for _, path := range l.Paths() {
		lists = append(lists, slices.DeleteFunc(slices.Clone(l), func(grant Grant) bool { return grant.Path != path }))
	}
	return lists
}

// Lack says in a line that the token does not hold what the list has on one path, and what for it needs it.
func (l List) Lack(tokenID string) string {
	if len(l) == 0 {
		return ""
	}
	lacks := fmt.Sprintf("the token %s lacks %s on %s", tokenID, strings.Join(l.On(l[0].Path), ", "), l[0].Path)
	if len(l) == 1 {
		return lacks + ", which it needs to " + l[0].Why
	}
	reasons := make([]string, len(l))
	for i, grant := range l {
		reasons[i] = grant.Privilege + " to " + grant.Why
	}
	return lacks + ", which it needs: " + strings.Join(reasons, "; ")
}
