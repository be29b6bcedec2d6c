package labspec

import (
	"fmt"
	"regexp"
	"unicode/utf8"
)

// A rule says which text a name may be.
type rule struct {
	pattern *regexp.Regexp
	max     int // characters
	what    string
	remedy  string
}

func (r rule) check(word string) error {
	switch {
	case utf8.RuneCountInString(word) > r.max:
		return &valueError{fmt.Sprintf("%.20q… has %d characters", word, utf8.RuneCountInString(word)), fmt.Sprintf("%s has at most %d", r.what, r.max)}
	case !r.pattern.MatchString(word):
		return &valueError{fmt.Sprintf("%q is not %s", word, r.what), r.remedy}
	}
	return nil
}

// The rules are PVE's own formats (PVE::JSONSchema, pve-common), tightened where labctl builds file or host names.
var (
	// labels become parts of VM names, which PVE wants to be DNS names, and of host names in the guests.
	dnsLabel = rule{regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`), 63, "a DNS label", "use lower-case letters, digits and hyphens"}
	nodeName = rule{regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$`), 63, "the name of a PVE node", "write the host name that PVE shows"}
	// templateName is PVE's format dns-name.
	templateName = rule{regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$`), 253, "the name of a VM", "write the name that PVE shows, or use vmid"}
	poolID       = rule{regexp.MustCompile(`^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+){0,2}$`), 100, "the ID of a PVE pool", "write the ID that PVE shows"}
	storageID    = rule{regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._-]*[A-Za-z0-9]$`), 100, "the ID of a PVE storage", "write the ID that PVE shows"}
	// An interface name on Linux has at most 15 characters (IFNAMSIZ).
	bridgeName = rule{regexp.MustCompile(`^[A-Za-z0-9._-]+$`), 15, "the name of a bridge", "write the name that PVE shows, such as vmbr0"}
	userName   = rule{regexp.MustCompile(`^[a-z_][a-z0-9_-]*$`), 32, "a Linux user name", "use lower-case letters, digits, - and _"}
	imageURL   = rule{regexp.MustCompile(`^https?://[A-Za-z0-9.:_-]+(/[A-Za-z0-9._~%+-]+)+\.(img|qcow2|raw|vmdk)$`), 500, "the address of a disk image", "write an http or https address that ends in .img, .qcow2, .raw or .vmdk"}
	sha256Sum  = rule{regexp.MustCompile(`^[0-9a-f]{64}$`), 64, "a SHA-256", "write its 64 hexadecimal digits in lower case"}
	// titles name suites and workloads in results, URLs and file names.
	title = rule{regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`), 64, "a name for results", "use letters, digits, dots, hyphens and underscores"}
	prose = rule{regexp.MustCompile(`^[^\x00-\x08\x0b-\x1f]*$`), 2000, "printable text", "remove the control characters"}
	// directories become words in scripts and unit files, so only harmless characters are let in.
	directory = rule{regexp.MustCompile(`^(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$`), 200, "an absolute path", "begin with / and use letters, digits, dots, hyphens and underscores"}
)
