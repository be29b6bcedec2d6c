package labspec

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"labctl/pkg/fio"
)

// jobOptions takes the options of a fio job: a mapping with free keys, whose order and spelling are kept.
type jobOptions struct{ to *fio.Job }

var optionName = regexp.MustCompile(`^[a-z][a-z0-9_-]*$`)

func (jobOptions) shape() schema {
	each := option{}.shape()
	return schema{
		Type:                 typeNames{"object"},
		PropertyNames:        &schema{Enum: allowedOptions()},
		AdditionalProperties: &others{&each},
	}
}

func (jobOptions) complete(*decoder, string, string) {}

func (o jobOptions) decode(d *decoder, n *node, path string) {
	if n.kind != kindMapping {
		d.fail(path, n.kind.String()+" where fio's options are expected", "write {rw: randwrite, bs: 4k, size: 4g}")
		return
	}
	d.failDuplicates(n, path)
	for _, e := range n.entries {
		at := join(path, e.key)
		if !optionName.MatchString(e.key) {
			d.failAt(e.at, at, fmt.Sprintf("%q is not the name of a fio option", e.key), "write it as fio(1) does, without leading hyphens")
			d.forgive(join(path, strings.TrimLeft(e.key, "-")))
			continue
		}
		d.decode(option{o.to, e.key}, e.value, at)
	}
}

// option takes one option of a job, if its value is one word.
type option struct {
	to   *fio.Job
	name string
}

func (option) shape() schema { return schema{Type: typeNames{"string", "number", "null"}} }

func (option) complete(*decoder, string, string) {}

func (o option) decode(d *decoder, n *node, path string) {
	switch {
	case n.kind == kindNull:
		o.to.Options = append(o.to.Options, fio.Option{Name: o.name})
	case n.kind == kindFlag && strings.EqualFold(n.text, "true"):
		d.fail(path, "fio does not know the word true", "write 1; for a flag write nothing after the colon")
	case n.kind == kindFlag:
		d.fail(path, "fio does not know the word false", "write 0; leave a flag out")
	case n.kind == kindList:
		rule, _ := fio.FindOption(o.name)
		d.fail(path, "a list where one value is expected", rule.ListRemedy())
	case n.kind == kindMapping:
		d.fail(path, "a mapping where one value is expected", "")
	case n.text == "":
		d.fail(path, "the value is empty", "for a flag write nothing after the colon, not quotes")
	case strings.ContainsFunc(n.text, unicode.IsControl):
		d.fail(path, "the value has a line break or another control character", "write it on one line")
	default:
		o.to.Options = append(o.to.Options, fio.Option{Name: o.name, Value: n.text, HasValue: true})
	}
}
