// Package doctor holds the preconditions of a lab: everything that has to be so on a server, on the lab's host and on this
// machine before a VM is made. It reads and changes nothing. One list, checks(), has two readers:
//
//	lab file ─┐
//	server   ─┼─ Look ─> Facts ─ checks() ─> Report ─┬─ labctl doctor prints all of it
//	host     ─┤                                      └─ labctl up, plan: Refusal, when there is an error
//	machine  ─┘
//
// A precondition is one entry of the list: an ID, what it asks, and the function that finds what is not so, each with what
// puts it right. Those that are asked of every node of a lab are asked of its first node under their own check, and of the
// others under the check "cluster".
package doctor

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"labctl/pkg/lab/grants"
	"labctl/pkg/lab/inventory"
	"labctl/pkg/labspec"
	"labctl/pkg/pve"
)

// API is what is read from the server.
type API interface {
	inventory.API
	grants.API
	Version(ctx context.Context) (pve.Version, error)
	Nodes(ctx context.Context) ([]pve.Node, error)
	Pools(ctx context.Context) ([]pve.Pool, error)
	Storages(ctx context.Context, node string) ([]pve.Storage, error)
	StorageConfigs(ctx context.Context) ([]pve.StorageConfig, error)
	Bridges(ctx context.Context, node string) ([]pve.Bridge, error)
	Volumes(ctx context.Context, node, storage string, owner pve.VMID) ([]pve.Volume, error)
}

// Input is what is looked at, and by which means.
type Input struct {
	Lab     *labspec.Lab
	API     API
	URL     string
	TokenID string
	// Resources are the VMs that the token sees, when they were read already.
	Resources []pve.Resource
	// Known are the VMIDs that the lab's journal speaks of: none of them is free.
	Known []pve.VMRef
	// Up are the VMs of the lab that exist already: their VMIDs and addresses are taken, and rightly.
	Up []UpVM
	// Unfinished says that a labctl is at work on the lab: its VMs are not compared with the spec.
	Unfinished bool
	// Unasked is why the server cannot even be asked; API is not used then.
	Unasked *Finding
	Surroundings
}

// Surroundings are what is looked at besides the server. What is nil is not looked at.
type Surroundings struct {
	// Reach tells whether anything answers for SSH at a guest's address: nil is yes.
	Reach func(ctx context.Context, address string) error
	// Route tells why this machine could not even send to an address, or nil; it sends nothing. It is nil where a proxy
	// leads to the guests, whose networks are then none of this machine's business.
	Route func(address netip.Addr) error
	// HostFacts logs in to the lab's host and returns its facts.
	HostFacts func(ctx context.Context, host labspec.Host) (map[string]string, error)
	// KeyFile is the private key that opens the host, "" when none is set.
	KeyFile string
	// Machine returns findings about the machine that labctl runs on.
	Machine func(ctx context.Context) []Finding
}

// UpVM is a VM of the lab that exists.
type UpVM struct {
	Name string
	Ref  pve.VMRef
}

// Severity is how bad a finding is.
type Severity string

// The severities.
const (
	Error   Severity = "error"   // the lab would fail, or not be what the spec says: `up` makes nothing
	Warning Severity = "warning" // it may fail, or measure something else than expected
	Note    Severity = "note"    // worth knowing; labctl copes with it
)

// Finding is one thing that is not as it should be.
type Finding struct {
	// ID is that of the precondition that does not hold.
	ID       string   `json:"id"`
	Severity Severity `json:"severity"`
	// Problem is what is wrong, and on which object.
	Problem string `json:"problem"`
	// Advice is what to do, a sentence; Commands are what to run for that.
	Advice   string   `json:"advice,omitempty"`
	Commands []string `json:"commands,omitempty"`

	err error // what the server said, or nil
}

// The states of a check.
const (
	StateOK      = "ok"
	StateFound   = "found"   // it has findings
	StateSkipped = "skipped" // it could not be made, because another one failed
)

// Check is one thing that was looked at: some preconditions about it.
type Check struct {
	Name  string `json:"name"`
	State string `json:"state"`
	// Detail is what was found to be in order, or why the check was skipped.
	Detail   string    `json:"detail,omitempty"`
	Findings []Finding `json:"findings,omitempty"`
}

// Report is what was found.
type Report struct {
	Lab     string  `json:"lab"`
	Server  string  `json:"server"`
	Version string  `json:"version,omitempty"` // of Proxmox VE
	Checks  []Check `json:"checks"`
}

// Of are the findings of one severity.
func (r Report) Of(severity Severity) []Finding {
	var found []Finding
	for _, check := range r.Checks {
		for _, finding := range check.Findings {
			if finding.Severity == severity {
				found = append(found, finding)
			}
		}
	}
	return found
}

// Count returns how many findings have the severity.
func (r Report) Count(severity Severity) int { return len(r.Of(severity)) }

// Refusal is a *RefusedError when there is an error among the findings, else nil.
func (r Report) Refusal() error {
	if found := r.Of(Error); len(found) > 0 {
		return &RefusedError{Findings: found}
	}
	return nil
}

// RefusedError says why a lab is not brought up: it would fail, or not be what its spec says.
type RefusedError struct{ Findings []Finding }

// Error has every finding in the words of `labctl doctor`.
func (e *RefusedError) Error() string {
	texts := make([]string, len(e.Findings))
	for i, finding := range e.Findings {
		texts[i] = finding.Text()
	}
	return strings.Join(texts, "\n")
}

// Unwrap returns what the server said.
func (e *RefusedError) Unwrap() []error {
	var all []error
	for _, finding := range e.Findings {
		if finding.err != nil {
			all = append(all, finding.err)
		}
	}
	return all
}

// Text is the finding as an error says it: the problem, what to do, and a line for each command.
func (f Finding) Text() string {
	text := f.Problem
	if f.Advice != "" {
		text += ": " + f.Advice
	}
	for _, command := range f.Commands {
		text += "\n  " + command
	}
	return text
}

// maxSkew is how far the clocks may be apart: Date has whole seconds, and an answer may take some.
const maxSkew = 10 * time.Second
