package labspec

import (
	"fmt"
	"slices"
)

// nameList takes a list of names that obey one rule, each at most once.
type nameList struct {
	to   *[]string
	rule rule
}

func (l nameList) decode(d *decoder, n *node, path string) {
	if n.kind != kindList {
		d.fail(path, n.kind.String()+" where a list is expected", "write [a, b, c]")
		return
	}
	if len(n.items) == 0 {
		d.fail(path, "the list is empty", "write [a, b, c], or remove the key")
	}
	names := make([]string, len(n.items))
	for i, item := range n.items {
		at := fmt.Sprintf("%s[%d]", path, i)
		d.decode(words(&names[i], l.rule), item, at)
		if !d.bad[at] && slices.Contains(names[:i], names[i]) {
			d.fail(at, fmt.Sprintf("%q stands in the list twice", names[i]), "remove one")
		}
	}
	*l.to = names
}

func (nameList) complete(*decoder, string, string) {}

func (l nameList) shape() schema {
	item := words(new(string), l.rule).shape()
	return schema{Type: typeNames{"array"}, Items: &item, MinItems: 1}
}
