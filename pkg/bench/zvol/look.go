package zvol

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Look is what the host said of a device at one moment (hold.pl): facts as it told them. What it did not say is unknown.
type Look struct{ facts map[string][]string }

// once are the facts of which a look has at most one, often those that it may have several of.
var (
	once = []string{
		"uid", "host", "pve_node", "link", "exclusive", "open_error", "kind", "number", "size", "read_only", "node", "zvol_id", "zvol_id_error", "qemu",
		"signatures", "signatures_error", "token", "nwritten", "pool_used_percent", "zfs_error", "zfs_type", "zfs_guid", "zfs_createtxg", "zfs_volsize",
		"zfs_volmode", "zfs_readonly", "zfs_encryption", "zfs_keystatus", "zfs_origin", "zfs_available", "began", "ended", "end",
	}
	often = []string{"certificate", "part", "holder", "open", "mount", "loop", "snapshot", "clone", "grown"}
)

// ParseLook reads what hold.pl wrote. A look that is cut off, or that something else talks into, is an error.
func ParseLook(text string) (Look, error) {
	look := Look{facts: map[string][]string{}}
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimRight(line, "\n"), "=")
		switch {
		case !ok || (!slices.Contains(once, key) && !slices.Contains(often, key)):
			return Look{}, fmt.Errorf("looking at the device: %.80q is nothing that hold.pl says", line)
		case slices.Contains(once, key) && look.facts[key] != nil:
			return Look{}, fmt.Errorf("looking at the device: %s is said twice", key)
		case look.facts["end"] != nil:
			return Look{}, fmt.Errorf("looking at the device: %.80q follows the end", line)
		}
		look.facts[key] = append(look.facts[key], value)
	}
	if look.facts["end"] == nil {
		return Look{}, fmt.Errorf("looking at the device: the host's answer is cut off after %d bytes", len(text))
	}
	return look, nil
}

// one is a fact, or "" where the host did not say it.
func (l Look) one(key string) string {
	if len(l.facts[key]) == 0 {
		return ""
	}
	return l.facts[key][0]
}

func (l Look) all(key string) []string { return l.facts[key] }

// number is a fact that is a number; false where it is unknown.
func (l Look) number(key string) (int64, bool) {
	n, err := strconv.ParseInt(l.one(key), 10, 64)
	return n, err == nil
}

// Node is the kernel's device, such as "/dev/zd16"; "" when it could not be opened.
func (l Look) Node() string { return l.one("node") }

// Identity is what a volume keeps for as long as it exists.
func (l Look) Identity() Identity {
	return Identity{GUID: l.one("zfs_guid"), CreateTXG: l.one("zfs_createtxg")}
}

// Identity tells a volume from any other that had or will have its name.
type Identity struct{ GUID, CreateTXG string }

// signature is a sign of a file system, a partition table or the like, as wipefs --json has it (util-linux, wipefs.c).
type signature struct {
	Offset string  `json:"offset"`
	Type   string  `json:"type"`
	Label  *string `json:"label"`
}

// String is the signature for messages.
func (s signature) String() string {
	if s.Label == nil || *s.Label == "" {
		return s.Type
	}
	return fmt.Sprintf("%s %q", s.Type, *s.Label)
}

// signatures are those found on the disk itself.
func (l Look) signatures() ([]signature, error) {
	if problem := l.one("signatures_error"); problem != "" {
		return nil, fmt.Errorf("wipefs failed: %s", problem)
	}
	var list struct {
		Signatures *[]signature `json:"signatures"`
	}
	if err := json.Unmarshal([]byte(l.one("signatures")), &list); err != nil || list.Signatures == nil {
		return nil, fmt.Errorf("wipefs said %.80q", l.one("signatures"))
	}
	return *list.Signatures, nil
}

// Notes are what is worth knowing of a device that may be written to.
func (l Look) Notes() []string {
	var notes []string
	if encryption := l.one("zfs_encryption"); encryption != "" && encryption != "off" {
		notes = append(notes, fmt.Sprintf("The volume is encrypted (%s): the host encrypts what is measured.", encryption))
	}
	if used, ok := l.number("pool_used_percent"); ok && used >= fullPercent {
		notes = append(notes, fmt.Sprintf("The pool is %d %% full: ZFS looks longer for free space above %d %%.", used, fullPercent))
	}
	return notes
}

// fullPercent is how full a pool may be before that slows writes down (OpenZFS documentation, Workload Tuning, Free Space).
const fullPercent = 80
