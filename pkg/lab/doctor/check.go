package doctor

import (
	"fmt"
	"strings"
)

// check looks at one thing among what was seen.
type check struct {
	name string
	// after are the checks whose failure makes this one meaningless.
	after []string
	// run returns what is in order, or what is not.
	run func(*seen) (detail string, findings []Finding)
}

// checks are all checks, in the order in which a person would put things right.
func checks() []check {
	server := []string{"server"}
	node := []string{"server", "version", "node"}
	return []check{
		{"server", nil, checkServer},
		{"version", server, checkVersion},
		{"clock", server, checkClock},
		{"node", server, checkNode},
		{"privileges", []string{"server", "version"}, checkPrivileges},
		{"pool", []string{"server", "version"}, checkPool},
		{"storage", node, checkStorage},
		{"template", node, checkTemplate},
		{"bridge", node, checkBridge},
		{"cluster", node, checkCluster},
		{"vmids", server, checkVMIDs},
		{"vms", server, checkVMs},
		{"addresses", nil, checkAddresses},
		{"host", nil, checkHost},
		{"machine", nil, checkMachine},
	}
}

// make runs the check unless one fails that it depends on.
func (c check) make(s *seen, failed map[string]bool) Check {
	for _, other := range c.after {
		if failed[other] {
			return Check{Name: c.name, State: StateSkipped, Detail: "first put " + other + " right"}
		}
	}
	detail, findings := c.run(s)
	if len(findings) > 0 {
		return Check{Name: c.name, State: StateFound, Findings: findings}
	}
	return Check{Name: c.name, State: StateOK, Detail: detail}
}

// fails says that the check found an error.
func (c Check) fails() bool {
	for _, finding := range c.Findings {
		if finding.Severity == Error {
			return true
		}
	}
	return c.State == StateSkipped
}

// unknown is the finding of something that could not be asked for.
func unknown(what string, err error) []Finding {
	return []Finding{{Severity: Error, Problem: what + " could not be found out: " + err.Error()}}
}

func or(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// problem makes a finding; args are for the format.
func problem(severity Severity, format string, args ...any) Finding {
	return Finding{Severity: severity, Problem: fmt.Sprintf(format, args...)}
}

// advise adds what to do.
func (f Finding) advise(advice string, commands ...string) Finding {
	f.Advice, f.Commands = advice, commands
	return f
}
