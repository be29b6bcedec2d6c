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

func serverPreconditions() []precondition {
	return []precondition{{id: "server-answers", asks: "the server answers at the address, with the pinned certificate, and takes the token", find: serverAnswers}}
}

func serverDetail(f *Facts) string {
	return fmt.Sprintf("%s answers as Proxmox VE %s", f.URL, f.version.value.Version)
}

// serverAnswers says why the server cannot be talked to.
func serverAnswers(f *Facts, _ *nodeFacts) []Finding {
	err := f.version.err
	switch {
	case err == nil:
		return nil
	case f.Unasked != nil:
		return []Finding{*f.Unasked}
	}
	finding := failure(err)
	var fingerprint *pve.FingerprintError
	switch user, token, _ := strings.Cut(f.TokenID, "!"); {
	case errors.As(err, &fingerprint):
		finding = finding.advise("compare the fingerprint with the one that the node itself shows", shell.Script(FingerprintCommand))
	case errors.Is(err, pve.ErrAuth):
		finding.Problem = fmt.Sprintf("the server does not take the token %s: its secret is wrong, the token is unknown, deleted or expired, "+
			"or its user is disabled or expired; the server's answer is the same for all six", f.TokenID)
		// To remove a token drops its grants: they name a token that does not exist (pve-access-control 9.1.1,
		// PVE/AccessControl.pm 1640), so the new one needs them again.
		finding = finding.advise("look which it is, as root on the server. A lost secret cannot be shown again: then remove the token with the third command, "+
			"and run what `labctl init --print-grants` prints, which makes the token and its grants anew",
			shell.New("pveum", "user", "token", "list").User(user), shell.New("pveum", "user", "list"),
			shell.New("pveum", "user", "token", "remove").User(user).Token(token))
	}
	return []Finding{finding}
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

func versionPreconditions() []precondition {
	return []precondition{{id: "version", asks: "Proxmox VE 8 or 9", find: knownVersion}}
}

func versionDetail(f *Facts) string { return f.version.value.Version }

func knownVersion(f *Facts, _ *nodeFacts) []Finding {
	version := f.version.value
	switch {
	case version.Major < oldestMajor:
		return []Finding{problem(Error, "Proxmox VE %s is too old: labctl needs version %d or %d", version.Version, oldestMajor, newestMajor).
			advise("upgrade the server; this looks whether it can be", shell.New("pve7to8", "--full"))}
	case version.Major > newestMajor:
		return []Finding{problem(Warning, "Proxmox VE %s is newer than any that labctl was tried on (%d)", version.Version, newestMajor)}
	case version.Release == "8.0":
		return []Finding{problem(Warning, "Proxmox VE %s may let only root turn off the upgrade that cloud-init does at the first boot", version.Version).
			advise("upgrade to 8.1 or later, within version 8", shell.New("apt", "update").And(shell.New("apt", "dist-upgrade")))}
	}
	return nil
}

func clockPreconditions() []precondition {
	return []precondition{{id: "clock", asks: "the server's clock and this machine's are at most 10 s apart", find: sameTime}}
}

func clockDetail(f *Facts) string {
	if f.version.value.Date.IsZero() {
		return "the server does not tell its time"
	}
	return "the clocks agree"
}

func sameTime(f *Facts, _ *nodeFacts) []Finding {
	date := f.version.value.Date
	skew := date.Sub(f.asked).Round(time.Second)
	if date.IsZero() || skew.Abs() <= maxSkew {
		return nil
	}
	direction := "ahead of"
	if skew < 0 {
		direction = "behind"
	}
	return []Finding{problem(Warning, "the server's clock is %s %s this machine's: times in results and the expiry of labs and tokens will be wrong", skew.Abs(), direction).
		advise("set the clock that is wrong, on the server or here", shell.New("timedatectl"), shell.New("timedatectl", "set-ntp", "true"))}
}

func privilegesPreconditions() []precondition {
	return []precondition{{
		id: "privileges", asks: "the token holds in effect every privilege that the lab needs, on every path, also on what the template uses (bridges, VLANs, mapped devices, CPU models)",
		find: privilegesHeld, perNode: true,
	}}
}

func privilegesDetail(f *Facts) string {
	return fmt.Sprintf("%s holds what the lab needs on %s", f.TokenID, strings.Join(f.needs(f.perNode[0]).List().Paths(), ", "))
}

// privilegesHeld says what a further node needs besides the first one.
func privilegesHeld(f *Facts, node *nodeFacts) []Finding {
	if f.resources.err != nil {
		return unread("the list of VMs", f.resources.err)
	}
	if node.missing.err != nil {
		return unread("the privileges of the token", node.missing.err)
	}
	missing := node.missing.value
	if first := f.perNode[0]; node != first {
		missing = missing.Without(first.missing.value)
	}
	var findings []Finding
	for _, path := range missing.ByPath() {
		finding := problem(Error, "%s", path.Lack(f.TokenID))
		finding.Advice, finding.Commands = "give it, as root on the server"+node.doubt(path[0].Path), path.Remedy(f.TokenID)
		findings = append(findings, finding)
	}
	return findings
}

// doubt asks whether a storage or bridge that the node does not show has a wrong name.
func (n *nodeFacts) doubt(path string) string {
	name, ok := grants.NameOn(path)
	if !ok || name.Kind == "pool" { // that has a precondition of its own
		return ""
	}
	var shown []string
	if name.Kind == "bridge" {
		for _, bridge := range n.bridges.value {
			shown = append(shown, bridge.Name)
		}
	} else {
		for _, storage := range n.storages.value {
			shown = append(shown, storage.Name)
		}
	}
	if len(shown) == 0 || slices.Contains(shown, name.Name) {
		return ""
	}
	return "; or " + name.Doubt(shown)
}

func poolPreconditions() []precondition {
	return []precondition{{id: "pool", asks: "the pool exists, or can be made: Proxmox VE 9 makes only pools whose name begins with a letter", find: poolExists}}
}

func poolDetail(f *Facts) string {
	if f.perNode[0].lacks("/pool/"+f.Lab.Pool, "Pool.Audit") {
		return "whether " + f.Lab.Pool + " exists cannot be seen"
	}
	return f.Lab.Pool
}

func poolExists(f *Facts, node *nodeFacts) []Finding {
	name := f.Lab.Pool
	if f.pools.err != nil {
		return unread("the list of pools", f.pools.err)
	}
	var names []string
	for _, pool := range f.pools.value {
		names = append(names, pool.ID)
	}
	switch {
	case slices.Contains(names, name):
		return nil
	case !node.lacks("/pool/"+name, "Pool.Audit"):
		finding := problem(Error, "there is no pool %s; there are: %s", name, listed(names))
		return []Finding{f.makePool(finding, "make it, as root on the server, or correct pool: in the lab file")}
	case node.lacks("/pool/"+name, "VM.Allocate"): // no right at all: perhaps because the name is wrong
		finding := problem(Note, "whether there is a pool %s cannot be seen; the token sees: %s", name, listed(names))
		return []Finding{f.makePool(finding, "if it is missing, make it, or correct pool: in the lab file")}
	}
	return nil
}

// makePool advises to make the lab's pool, where the server makes one of that name.
func (f *Facts) makePool(finding Finding, advice string) Finding {
	if major := f.version.value.Major; !grants.MakesPool(f.Lab.Pool, major) {
		return finding.advise(fmt.Sprintf("choose another name with pool: in the lab file: Proxmox VE %d makes only pools whose name begins with a letter", major))
	}
	finding.Advice, finding.Commands = advice, []string{grants.AddPool(f.Lab.Pool)}
	return finding
}
