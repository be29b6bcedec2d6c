package labspec

// A node is one value of a YAML document with its place. It has only what a lab file may use: mappings with plain
// keys, lists and words.
type node struct {
	kind    kind
	at      position
	text    string  // of a word, as written, without quotes
	entries []entry // of a mapping, in file order, duplicates included
	items   []*node // of a list
}

// entry is one line of a mapping.
type entry struct {
	key   string
	at    position // of the key
	value *node
}

// position is a place in the file: line and column in characters, both from 1.
type position struct{ line, column int }

// kind says what a node is. Words are told apart as YAML 1.2 does.
type kind int

const (
	kindMapping kind = iota
	kindList
	kindText
	kindWhole   // a decimal whole number
	kindOther   // any other number: 1.5, 0x10, .inf
	kindFlag    // true or false
	kindNull    // nothing, or ~
	kindRefused // an alias and the like, already reported
)

// String names the kind for error messages.
func (k kind) String() string {
	return [...]string{"a mapping", "a list", "text", "a whole number", "a number", "true or false", "nothing", "something refused"}[k]
}

// find returns the first entry with the key.
func (n *node) find(key string) (entry, bool) {
	for _, e := range n.entries {
		if e.key == key {
			return e, true
		}
	}
	return entry{}, false
}
