// Package doctor finds out before anything is made whether a lab can be brought up, measured and removed on a server:
// everything that would fail later, at once, each with what puts it right. It changes nothing.
package doctor

import (
	"context"
	"net/netip"
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
}

// Patient is who is examined.
type Patient struct {
	Lab     *labspec.Lab
	API     API
	URL     string
	TokenID string
	// Up are the VMs of the lab that exist already: their VMIDs and addresses are taken, and rightly.
	Up []UpVM
	// Unfinished says that another labctl is at work on the lab: its VMs are not judged.
	Unfinished bool
	// Unasked is why the server cannot even be asked; API is not used then.
	Unasked *Finding
	// Reach tells whether anything answers for SSH at a guest's address: nil is yes.
	Reach func(ctx context.Context, address string) error
	// Route tells why this machine could not even send to an address, or nil; it sends nothing. It is nil where a proxy
	// leads to the guests, whose networks are then none of this machine's business.
	Route func(address netip.Addr) error
	// HostFacts logs in to the lab's host and returns its facts; nil when the lab has no host.
	HostFacts func(ctx context.Context) (map[string]string, error)
	// Machine are findings about the machine that labctl runs on.
	Machine []Finding
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
	Error   Severity = "error"   // the lab would fail, or not be what the spec says
	Warning Severity = "warning" // it may fail, or measure something else than expected
	Note    Severity = "note"    // worth knowing; labctl copes with it
)

// Finding is one thing that is not as it should be.
type Finding struct {
	Severity Severity `json:"severity"`
	// Problem is what is wrong, and on which object.
	Problem string `json:"problem"`
	// Advice is what to do, a sentence; Commands are what to run for that.
	Advice   string   `json:"advice,omitempty"`
	Commands []string `json:"commands,omitempty"`
}

// The states of a check.
const (
	StateOK      = "ok"
	StateFound   = "found"   // it has findings
	StateSkipped = "skipped" // it could not be made, because another one failed
)

// Check is one thing that was looked at.
type Check struct {
	Name  string `json:"name"`
	State string `json:"state"`
	// Detail is what was found to be in order, or why the check was skipped.
	Detail   string    `json:"detail,omitempty"`
	Findings []Finding `json:"findings,omitempty"`
}

// Report is the outcome of an examination.
type Report struct {
	Lab     string  `json:"lab"`
	Server  string  `json:"server"`
	Version string  `json:"version,omitempty"` // of Proxmox VE
	Checks  []Check `json:"checks"`
}

// Count returns how many findings have the severity.
func (r Report) Count(severity Severity) int {
	n := 0
	for _, check := range r.Checks {
		for _, finding := range check.Findings {
			if finding.Severity == severity {
				n++
			}
		}
	}
	return n
}

// Examine makes all checks. It fails only when ctx ends; whatever the server refuses is a finding.
func Examine(ctx context.Context, patient Patient) (Report, error) {
	found := patient.look(ctx)
	if err := context.Cause(ctx); err != nil {
		return Report{}, err
	}
	report := Report{Lab: patient.Lab.Name, Server: patient.URL, Version: found.version.value.Version}
	failed := map[string]bool{}
	for _, check := range checks() {
		made := check.make(found, failed)
		failed[check.name] = made.fails()
		report.Checks = append(report.Checks, made)
	}
	return report, nil
}

// maxSkew is how far the clocks may be apart: Date has whole seconds, and an answer may take some.
const maxSkew = 10 * time.Second

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
