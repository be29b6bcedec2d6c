package doctor

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"labctl/pkg/internal/shell"
	"labctl/pkg/lab/grants"
	"labctl/pkg/pve"
)

// checkServer says why the server cannot be talked to.
func checkServer(s *seen) (string, []Finding) {
	err := s.version.err
	if err == nil {
		return fmt.Sprintf("%s answers as Proxmox VE %s", s.URL, s.version.value.Version), nil
	}
	if s.Unasked != nil {
		return "", []Finding{*s.Unasked}
	}
	finding := Finding{Severity: Error, Problem: err.Error()}
	var fingerprint *pve.FingerprintError
	switch user, token, _ := strings.Cut(s.TokenID, "!"); {
	case errors.As(err, &fingerprint):
		finding = finding.advise("compare the fingerprint with the one that the node itself shows", FingerprintCommand)
	case errors.Is(err, pve.ErrAuth):
		finding.Problem = fmt.Sprintf("the server does not take the token %s: its secret is wrong, the token is unknown, deleted or expired, "+
			"or its user is disabled or expired; the server's answer is the same for all six", s.TokenID)
		finding = finding.advise("look which it is, as root on the server; a lost secret cannot be shown again, only replaced by a new token's",
			"pveum user token list "+shell.Quote(user), "pveum user list", fmt.Sprintf("pveum user token remove %s %s", shell.Quote(user), shell.Quote(token)),
			fmt.Sprintf("pveum user token add %s %s --privsep 1", shell.Quote(user), shell.Quote(token)))
	}
	return "", []Finding{finding}
}

// FingerprintCommand shows on a node the fingerprint of its certificate. Where the administrator has put in a
// certificate of their own, pveproxy-ssl.pem, pveproxy shows that one (pve-manager, PVE/Service/pveproxy.pm).
const FingerprintCommand = "openssl x509 -noout -fingerprint -sha256 -in " +
	"$(ls /etc/pve/local/pveproxy-ssl.pem /etc/pve/local/pve-ssl.pem 2>/dev/null | head -n 1)"

// The versions of Proxmox VE that labctl was tried on.
const (
	oldestMajor = 8
	newestMajor = 9
)

func checkVersion(s *seen) (string, []Finding) {
	version := s.version.value
	switch {
	case version.Major < oldestMajor:
		return "", []Finding{problem(Error, "Proxmox VE %s is too old: labctl needs version %d or %d", version.Version, oldestMajor, newestMajor).
			advise("upgrade the server", "pve7to8 --full")}
	case version.Major > newestMajor:
		return "", []Finding{problem(Warning, "Proxmox VE %s is newer than any that labctl was tried on (%d)", version.Version, newestMajor)}
	case version.Release == "8.0":
		return "", []Finding{problem(Warning, "Proxmox VE %s may let only root turn off the upgrade that cloud-init does at the first boot", version.Version).
			advise("upgrade to 8.1 or later, within version 8", "apt update && apt dist-upgrade")}
	}
	return version.Version, nil
}

func checkClock(s *seen) (string, []Finding) {
	date := s.version.value.Date
	if date.IsZero() {
		return "the server does not tell its time", nil
	}
	skew := date.Sub(s.asked).Round(time.Second)
	if skew.Abs() <= maxSkew {
		return "the clocks agree", nil
	}
	direction := "ahead of"
	if skew < 0 {
		direction = "behind"
	}
	return "", []Finding{problem(Warning, "the server's clock is %s %s this machine's: times in results and the expiry of labs and tokens will be wrong", skew.Abs(), direction).
		advise("set the clock that is wrong, on the server or here", "timedatectl", "timedatectl set-ntp true")}
}

func checkNode(s *seen) (string, []Finding) {
	if s.nodes.err != nil {
		return "", unknown("the nodes of the cluster", s.nodes.err)
	}
	var names []string
	for _, node := range s.nodes.value {
		names = append(names, node.Name)
		if node.Name != s.Lab.Node {
			continue
		}
		if node.Status == "offline" {
			return "", []Finding{problem(Error, "node %s is offline", node.Name).advise("start it, or choose another node in the lab spec", "pvecm status")}
		}
		return node.Name + " is " + node.Status, nil
	}
	return "", []Finding{problem(Error, "there is no node %s; there are: %s", s.Lab.Node, or(names)).advise("correct node: in the lab spec")}
}

func checkPrivileges(s *seen) (string, []Finding) {
	if s.resources.err != nil {
		return "", unknown("the VMs that the token sees", s.resources.err)
	}
	if s.missing.err != nil {
		return "", unknown("the privileges of the token", s.missing.err)
	}
	var findings []Finding
	for _, missing := range s.missing.value.ByPath() {
		finding := Finding{Severity: Error, Problem: missing.Lack(s.TokenID)}
		findings = append(findings, finding.advise("give it, as root on the server"+s.doubt(missing[0].Path), missing.Remedy(s.TokenID)...))
	}
	paths := s.needs().List().Paths()
	return fmt.Sprintf("%s holds what the lab needs on %s", s.TokenID, strings.Join(paths, ", ")), findings
}

// doubt asks whether a storage or bridge that the node does not show has a wrong name.
func (s *seen) doubt(path string) string {
	name, ok := grants.NameOn(path)
	if !ok {
		return ""
	}
	var shown []string
	if name.Kind == "bridge" {
		for _, bridge := range s.bridges.value {
			shown = append(shown, bridge.Name)
		}
	} else {
		for _, storage := range s.storages.value {
			shown = append(shown, storage.Name)
		}
	}
	if len(shown) == 0 || slices.Contains(shown, name.Name) {
		return ""
	}
	return "; or " + name.Doubt(shown)
}

func checkPool(s *seen) (string, []Finding) {
	name := s.Lab.Pool
	if s.pools.err != nil {
		return "", unknown("the pools", s.pools.err)
	}
	var names []string
	for _, pool := range s.pools.value {
		names = append(names, pool.ID)
	}
	add := fmt.Sprintf("pveum pool add %s", shell.Quote(name))
	switch {
	case slices.Contains(names, name):
		return name, nil
	case !s.lacks("/pool/"+name, "Pool.Audit"):
		return "", []Finding{problem(Error, "there is no pool %s; there are: %s", name, or(names)).advise("make it, as root on the server, or correct pool: in the lab spec", add)}
	case s.lacks("/pool/"+name, "VM.Allocate"): // no right at all: perhaps because the name is wrong
		return "", []Finding{problem(Note, "whether there is a pool %s cannot be seen; the token sees: %s", name, or(names)).advise("if it is missing, make it, or correct pool: in the lab spec", add)}
	}
	return name + " cannot be seen", nil
}
