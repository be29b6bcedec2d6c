package labspec

import (
	"fmt"
	"slices"
	"strings"
)

// A field is one key of a mapping in the lab file.
type field struct {
	key      string
	value    value
	doc      string // for editors and the reference, with the unit
	required bool
	fallback string   // the default, in the words of the file
	examples []string // in the words of the file
}

// object takes a mapping with exactly the given keys.
type object []field

func (o object) decode(d *decoder, n *node, path string) {
	if n.kind != kindMapping {
		d.fail(path, n.kind.String()+" where a mapping is expected", "write "+o[0].key+": and so on, indented")
		return
	}
	for _, f := range o {
		if e, ok := n.find(f.key); ok {
			at := join(path, f.key)
			d.decode(f.value, e.value, at)
		}
	}
	o.refuseStrangers(d, n, path)
}

// refuseStrangers reports the keys that the mapping should not have: unknown ones, and the second of two.
func (o object) refuseStrangers(d *decoder, n *node, path string) {
	known := o.keys()
	d.failDuplicates(n, path)
	for _, e := range n.entries {
		if slices.Contains(known, e.key) {
			continue
		}
		meant, ok := closest(e.key, known)
		if !ok {
			d.failAt(e.at, join(path, e.key), "unknown key", "the keys here are "+strings.Join(known, ", "))
			continue
		}
		d.failAt(e.at, join(path, e.key), "unknown key", fmt.Sprintf("did you mean %s?", meant))
		d.forgive(join(path, meant))
	}
}

func (o object) keys() []string {
	keys := make([]string, len(o))
	for i, f := range o {
		keys[i] = f.key
	}
	return keys
}

func (o object) complete(d *decoder, path, _ string) {
	for _, f := range o {
		at := join(path, f.key)
		switch {
		case d.failed(at):
		case f.required && !d.mentions(at):
			d.failMissing(path, f)
		default:
			f.value.complete(d, at, f.fallback)
		}
	}
}

// optional takes a mapping that may be missing as a whole; the pointer then stays nil.
type optional[T any] struct {
	to     **T
	fields func(*T) object
}

func (o optional[T]) decode(d *decoder, n *node, path string) {
	*o.to = new(T)
	o.fields(*o.to).decode(d, n, path)
}

func (o optional[T]) complete(d *decoder, path, _ string) {
	if *o.to != nil {
		o.fields(*o.to).complete(d, path, "")
	}
}

// layer takes a mapping of which every key may be missing, because it only underlies others.
type layer struct{ object }

func (layer) complete(*decoder, string, string) {}

// sequence takes a list of mappings.
type sequence[T any] struct {
	to     *[]T
	from   *T // every element begins as a copy of it; nil: empty
	fields func(*T) object
}

func (s sequence[T]) decode(d *decoder, n *node, path string) {
	if n.kind != kindList {
		d.fail(path, n.kind.String()+" where a list is expected", `begin each element with "- "`)
		return
	}
	if len(n.items) == 0 {
		d.fail(path, "the list is empty", `add an element with "- "`)
	}
	*s.to = make([]T, len(n.items))
	for i, item := range n.items {
		at := fmt.Sprintf("%s[%d]", path, i)
		if s.from != nil {
			(*s.to)[i] = *s.from
		}
		d.decode(s.fields(&(*s.to)[i]), item, at)
	}
}

func (s sequence[T]) complete(d *decoder, path, _ string) {
	for i := range *s.to {
		if at := fmt.Sprintf("%s[%d]", path, i); !d.failed(at) {
			s.fields(&(*s.to)[i]).complete(d, at, "")
		}
	}
}

// join appends a key to a dotted path.
func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
