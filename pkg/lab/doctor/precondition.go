package doctor

import (
	"fmt"
	"strings"

	"labctl/pkg/internal/shell"
)

// precondition is one thing that has to hold before a VM is made.
type precondition struct {
	id   string
	asks string // what has to hold, as docs/doctor.md says it
	// find returns what is not so. It is called with a node of the lab: once, or with perNode for every node.
	find    func(*Facts, *nodeFacts) []Finding
	perNode bool
}

// check is some preconditions about one thing.
type check struct {
	name string
	// after are the checks whose failure makes this one meaningless.
	after []string
	// detail is what is in order when nothing is found.
	detail        func(*Facts) string
	preconditions []precondition
}

// checks are all checks, in the order in which a person would put things right.
func checks() []check {
	server := []string{"server"}
	version := []string{"server", "version"}
	node := []string{"server", "version", "node"}
	return []check{
		{"server", nil, serverDetail, serverPreconditions()},
		{"version", server, versionDetail, versionPreconditions()},
		{"clock", server, clockDetail, clockPreconditions()},
		{"node", server, nodeDetail, nodePreconditions()},
		{"privileges", version, privilegesDetail, privilegesPreconditions()},
		{"pool", version, poolDetail, poolPreconditions()},
		{"storage", node, storageDetail, storagePreconditions()},
		{"template", node, templateDetail, templatePreconditions()},
		{"bridge", node, bridgeDetail, bridgePreconditions()},
		{clusterCheck, node, clusterDetail, nil},
		{"vmids", server, vmidsDetail, vmidsPreconditions()},
		{"vms", server, vmsDetail, vmsPreconditions()},
		{"addresses", nil, addressesDetail, addressesPreconditions()},
		{"host", nil, hostDetail, hostPreconditions()},
		{"machine", nil, machineDetail, machinePreconditions()},
	}
}

// clusterCheck is the check of a lab's further nodes.
const clusterCheck = "cluster"

// Report says what of the list of preconditions holds.
func (f *Facts) Report() Report {
	report := Report{Lab: f.Lab.Name, Server: f.URL, Version: f.version.value.Version}
	failed := map[string]bool{}
	for _, check := range checks() {
		made := f.check(check, failed)
		failed[check.name] = made.fails()
		report.Checks = append(report.Checks, made)
	}
	return report
}

// check asks one check's preconditions, unless one fails that it depends on.
func (f *Facts) check(c check, failed map[string]bool) Check {
	for _, other := range c.after {
		if failed[other] {
			return Check{Name: c.name, State: StateSkipped, Detail: "first put " + other + " right"}
		}
	}
	var findings []Finding
	if c.name == clusterCheck {
		findings = f.furtherFindings()
	} else {
		findings = f.findings(c.preconditions, f.perNode[0])
	}
	if len(findings) > 0 {
		return Check{Name: c.name, State: StateFound, Findings: findings}
	}
	return Check{Name: c.name, State: StateOK, Detail: c.detail(f)}
}

// findings asks preconditions of one node.
func (f *Facts) findings(preconditions []precondition, node *nodeFacts) []Finding {
	var findings []Finding
	for _, p := range preconditions {
		for _, finding := range p.find(f, node) {
			finding.ID = p.id
			findings = append(findings, finding)
		}
	}
	return findings
}

// furtherFindings asks the further nodes of a lab what its first node was asked. A node that is not there is not asked more.
func (f *Facts) furtherFindings() []Finding {
	var all []Finding
	for _, node := range f.perNode[1:] {
		for _, c := range checks() {
			var perNode []precondition
			for _, p := range c.preconditions {
				if p.perNode {
					perNode = append(perNode, p)
				}
			}
			found := f.findings(perNode, node)
			all = append(all, found...)
			if c.name == "node" && (Check{Findings: found}).fails() {
				break
			}
		}
	}
	return all
}

// fails says that the check found an error, or could not be made.
func (c Check) fails() bool {
	for _, finding := range c.Findings {
		if finding.Severity == Error {
			return true
		}
	}
	return c.State == StateSkipped
}

// problem makes a finding; args are for the format.
func problem(severity Severity, format string, args ...any) Finding {
	return Finding{Severity: severity, Problem: fmt.Sprintf(format, args...)}
}

// failure makes a finding of an error.
func failure(err error) Finding { return Finding{Severity: Error, Problem: err.Error(), err: err} }

// unread is the finding of something that could not be read.
func unread(what string, err error) []Finding {
	finding := problem(Error, "%s could not be read: %v", what, err)
	finding.err = err
	return []Finding{finding}
}

// advise adds what to do.
func (f Finding) advise(advice string, commands ...shell.Command) Finding {
	f.Advice, f.Commands = advice, shell.Strings(commands)
	return f
}

// listed writes names as a sentence does.
func listed(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
