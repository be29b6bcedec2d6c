package grants

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Named is a storage, bridge or pool of a lab, which a privilege is about.
type Named struct{ Kind, Name string }

// NameOn is what an ACL path names, if it is a storage, a bridge or a pool.
func NameOn(path string) (Named, bool) {
	for kind, above := range map[string]string{"storage": "/storage/", "bridge": "/sdn/zones/localnetwork/", "pool": "/pool/"} {
		if name, ok := strings.CutPrefix(path, above); ok {
			if kind == "bridge" {
				name, _, _ = strings.Cut(name, "/") // without a VLAN tag
			}
			return Named{kind, name}, true
		}
	}
	return Named{}, false
}

// Doubt asks whether the name is right, which a missing privilege may only seem to be about; seen are those of that kind
// that the token sees.
func (n Named) Doubt(seen []string) string {
	return fmt.Sprintf("is the name wrong? this token sees no %s %s, but %s: correct the lab spec then", n.Kind, n.Name, strings.Join(seen, ", "))
}

// doubts are those about storages, bridges and pools on which the token holds nothing at all.
func (l List) doubts(held map[string][]string) []string {
	var lines []string
	for _, path := range l.Paths() {
		name, ok := NameOn(path)
		if !ok || len(held[path]) > 0 {
			continue
		}
		var seen []string
		for _, other := range slices.Sorted(maps.Keys(held)) {
			if is, ok := NameOn(other); ok && is.Kind == name.Kind && !slices.Contains(seen, is.Name) {
				seen = append(seen, is.Name)
			}
		}
		if len(seen) > 0 { // a token without any has not been set up yet
			lines = append(lines, name.Doubt(seen))
		}
	}
	return lines
}
