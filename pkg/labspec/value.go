package labspec

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A value is where one YAML value goes: it reads the value, it can be completed by a default, and it describes itself
// to an editor.
type value interface {
	// decode stores what the node says, and reports to d what is wrong with it.
	decode(d *decoder, n *node, path string)
	// complete stores the fallback, in the words of the file, where the file says nothing at the path.
	complete(d *decoder, path, fallback string)
	// shape describes the value without its documentation.
	shape() schema
}

// valueError says what is wrong with one value, before it is known where in the file the value stands.
type valueError struct{ problem, remedy string }

// Error joins problem and remedy.
func (e *valueError) Error() string {
	if e.remedy == "" {
		return e.problem
	}
	return e.problem + ": " + e.remedy
}

// scalar is a value of one word: a name, a number, a size, a yes or no.
type scalar struct {
	kind   kind                    // what the file must have there: kindText, kindWhole or kindFlag
	units  bool                    // a bare number reaches parse, which asks for the unit
	parse  func(word string) error // checks the word and stores it; errors are *valueError
	schema schema
}

func (s scalar) shape() schema { return s.schema }

func (s scalar) decode(d *decoder, n *node, path string) {
	switch {
	case n.kind == s.kind, s.units && (n.kind == kindWhole || n.kind == kindOther):
		d.check(path, s.parse(n.text))
	case n.kind == kindNull:
		d.fail(path, "has no value", "write "+s.kind.String()+", or remove the key")
	case s.kind == kindText && n.text != "":
		d.fail(path, n.text+" is not text", fmt.Sprintf("write %q, in quotes", n.text))
	case s.kind == kindWhole && n.kind == kindOther:
		d.fail(path, n.text+" is not a whole number", "write it in decimal digits")
	case n.kind == kindText:
		d.fail(path, fmt.Sprintf("%q is not %s", n.text, s.kind), "write "+s.kind.String()+" without quotes")
	default:
		d.fail(path, n.kind.String()+" where "+s.kind.String()+" is expected", "")
	}
}

func (s scalar) complete(d *decoder, path, fallback string) {
	if fallback != "" && !d.mentions(path) {
		d.check(path, s.parse(fallback))
	}
}

// words takes text that obeys the rule.
func words(to *string, r rule) value {
	return scalar{kind: kindText, schema: schema{Type: typeNames{"string"}, Pattern: r.pattern.String(), MaxLength: r.max}, parse: func(word string) error {
		*to = word
		return r.check(word)
	}}
}

// number takes a whole number between least and most.
func number(to *int, least, most int) value {
	return scalar{kind: kindWhole, schema: schema{Type: typeNames{"integer"}, Minimum: &least, Maximum: &most}, parse: func(word string) error {
		n, err := strconv.Atoi(word)
		if err != nil || n < least || n > most {
			return &valueError{fmt.Sprintf("%s is not between %d and %d", word, least, most), ""}
		}
		*to = n
		return nil
	}}
}

// yesNo takes true or false.
func yesNo(to *bool) value {
	return scalar{kind: kindFlag, schema: schema{Type: typeNames{"boolean"}}, parse: func(word string) error {
		*to = strings.EqualFold(word, "true")
		return nil
	}}
}

// perhaps takes true or false where not saying either means something too.
func perhaps(to **bool) value {
	return scalar{kind: kindFlag, schema: schema{Type: typeNames{"boolean"}}, parse: func(word string) error {
		yes := strings.EqualFold(word, "true")
		*to = &yes
		return nil
	}}
}

// choice takes one of the given words.
func choice[T ~string](to *T, of ...T) value {
	names := make([]string, len(of))
	for i, name := range of {
		names[i] = string(name)
	}
	return scalar{kind: kindText, schema: schema{Type: typeNames{"string"}, Enum: names}, parse: func(word string) error {
		if !slices.Contains(names, word) {
			return &valueError{fmt.Sprintf("%q is not a choice", word), "write " + alternatives(names)}
		}
		*to = T(word)
		return nil
	}}
}

// parsed takes text with a syntax of its own; pattern is that syntax as far as an editor can check it.
func parsed[T any](to *T, pattern string, parse func(string) (T, error)) value {
	return scalar{kind: kindText, schema: schema{Type: typeNames{"string"}, Pattern: pattern}, parse: func(word string) (err error) {
		*to, err = parse(word)
		return err
	}}
}

// measure is parsed for sizes and durations, where a bare number deserves a better answer than "not text".
func measure[T any](to *T, pattern string, parse func(string) (T, error)) value {
	return scalar{kind: kindText, units: true, schema: schema{Type: typeNames{"string"}, Pattern: pattern}, parse: func(word string) (err error) {
		*to, err = parse(word)
		return err
	}}
}

// alternatives joins names as "a, b or c".
func alternatives(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
