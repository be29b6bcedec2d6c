package labspec

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// readSchema is the schema as a validator reads it.
type readSchema struct {
	Type                 json.RawMessage
	Enum                 []string
	Pattern              string
	MaxLength            int
	Minimum, Maximum     *int
	Items                *readSchema
	MinItems             int
	Properties           map[string]*readSchema
	PropertyNames        *readSchema
	Required             []string
	AdditionalProperties json.RawMessage
	Description          string
	Default              json.RawMessage
	Examples             []json.RawMessage
}

func loadSchema(t *testing.T) *readSchema {
	t.Helper()
	s := new(readSchema)
	if err := json.Unmarshal(Schema(), s); err != nil {
		t.Fatal(err)
	}
	return s
}

// violations validates a YAML value; it knows the keywords that Schema uses.
func (s *readSchema) violations(n *node, path string) []string {
	types := map[kind]string{kindMapping: "object", kindList: "array", kindText: "string", kindWhole: "integer", kindOther: "number", kindFlag: "boolean", kindNull: "null"}
	is := types[n.kind]
	if !strings.Contains(string(s.Type), strconv.Quote(is)) && (is != "integer" || !strings.Contains(string(s.Type), `"number"`)) {
		return []string{fmt.Sprintf("%s: is %s, not %s", path, is, s.Type)}
	}
	switch n.kind {
	case kindMapping:
		return s.objectViolations(n, path)
	case kindList:
		return s.listViolations(n, path)
	}
	if !s.allows(n) {
		return []string{path + ": value"}
	}
	return nil
}

// allows checks a word of the right type.
func (s *readSchema) allows(n *node) bool {
	switch n.kind {
	case kindText:
		return (s.Enum == nil || slices.Contains(s.Enum, n.text)) && regexp.MustCompile(s.Pattern).MatchString(n.text) &&
			(s.MaxLength == 0 || utf8.RuneCountInString(n.text) <= s.MaxLength)
	case kindWhole:
		v, err := strconv.Atoi(n.text)
		return err == nil && (s.Minimum == nil || *s.Minimum <= v) && (s.Maximum == nil || v <= *s.Maximum)
	default:
		return true
	}
}

func (s *readSchema) listViolations(n *node, path string) []string {
	var found []string
	if len(n.items) < s.MinItems {
		found = append(found, path+": too few items")
	}
	for i, item := range n.items {
		found = append(found, s.Items.violations(item, fmt.Sprintf("%s[%d]", path, i))...)
	}
	return found
}

func (s *readSchema) objectViolations(n *node, path string) []string {
	var found []string
	for _, key := range s.Required {
		if _, ok := n.find(key); !ok {
			found = append(found, join(path, key)+": missing")
		}
	}
	for _, e := range n.entries {
		at := join(path, e.key)
		if property, ok := s.Properties[e.key]; ok {
			found = append(found, property.violations(e.value, at)...)
			continue
		}
		others := new(readSchema)
		if err := json.Unmarshal(s.AdditionalProperties, others); err != nil {
			found = append(found, at+": unknown")
			continue
		}
		if s.PropertyNames != nil && !slices.Contains(s.PropertyNames.Enum, e.key) {
			found = append(found, at+": name")
		}
		found = append(found, others.violations(e.value, at)...)
	}
	return found
}

// validate parses a file as YAML only.
func (s *readSchema) validate(t *testing.T, text string) []string {
	t.Helper()
	root, problems := parseYAML([]byte(text))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return s.violations(root, "")
}

func TestSchemaFile(t *testing.T) {
	golden(t, "../../docs/lab.schema.json", string(Schema()))
}

func TestSchemaAcceptsLabs(t *testing.T) {
	s := loadSchema(t)
	for _, name := range []string{"../../lab-specs/blog.yaml", "../../lab-specs/demo.yaml", "testdata/base.yaml"} {
		if found := s.validate(t, read(t, name)); found != nil {
			t.Errorf("%s violates the schema: %q", name, found)
		}
	}
}

func TestSchemaRefusesMistakes(t *testing.T) {
	want := []string{
		"template.vmid: value",
		`vms[0].cores: is string, not "integer"`,
		`vms[0].dataDisk.size: is integer, not "string"`,
		"vms[1].memroy: unknown",
		"suite.workloads[0].fio.output: name",
	}
	if found := loadSchema(t).validate(t, read(t, "testdata/ten-mistakes.yaml")); !slices.Equal(found, want) {
		t.Errorf("found %q, want %q", found, want)
	}
}

// TestSchemaExplains wants of every key what an editor shows, and that its own examples and default are valid.
func TestSchemaExplains(t *testing.T) {
	loadSchema(t).visit("", func(path string, s *readSchema) {
		if len(s.Description) < 20 || !strings.HasSuffix(s.Description, ".") {
			t.Errorf("%s: the description %q is not a sentence", path, s.Description)
		}
		obvious := s.Properties != nil || s.Items != nil || s.Enum != nil || string(s.Type) == `"boolean"`
		if s.Examples == nil && !obvious {
			t.Errorf("%s: has no example", path)
		}
		examples := s.Examples
		if s.Default != nil {
			examples = append(examples, s.Default)
		}
		for _, example := range examples {
			if found := s.validate(t, string(example)); found != nil {
				t.Errorf("%s: example %s: %q", path, example, found)
			}
		}
	})
}

// visit calls f for every key below the schema.
func (s *readSchema) visit(path string, f func(path string, s *readSchema)) {
	if s.Items != nil {
		s.Items.visit(path+"[]", f)
	}
	for key, p := range s.Properties {
		f(join(path, key), p)
		p.visit(join(path, key), f)
	}
}
