package pvesim

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Texts of the parameter check, from PVE::JSONSchema.
const (
	textMissing = "property is missing and it is not optional"
	textUnknown = "property is not defined in schema and the schema does not allow additional properties"
)

var (
	integerText = regexp.MustCompile(`^[+-]?\d+$`)
	numberText  = regexp.MustCompile(`^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$`)
)

// problems collects what is wrong, by parameter. The first finding about each counts.
type problems map[string]string

func (p problems) add(path, format string, args ...any) {
	if _, already := p[path]; !already {
		p[path] = fmt.Sprintf(format, args...)
	}
}

// verify checks all parameters of a request.
func (m *method) verify(p params) error {
	found := problems{}
	for name, property := range m.params {
		if !strings.HasSuffix(name, "[n]") && !p.has(name) && property.Optional == 0 {
			found.add(name, textMissing)
		}
	}
	for name, values := range p {
		property, known := m.param(name)
		if !known {
			if !m.Open {
				found.add(name, textUnknown)
			}
			continue
		}
		property.check(name, values, found)
		if requires := string(property.Requires); requires != "" && !p.has(requires) {
			found.add(requires, "missing property - '%s' requires this property", name)
		}
	}
	if len(found) > 0 {
		return badParameters(found)
	}
	return nil
}

// check checks the values of one parameter.
func (p *property) check(path string, values []string, found problems) {
	if p.Type == "array" {
		return
	}
	p.checkValue(path, strings.Join(values, "\x00"), found)
}

// checkValue checks in PVE's order: type, format, pattern, length, range, enumeration; the first finding ends it.
func (p *property) checkValue(path, value string, found problems) {
	if !p.hasType(value) {
		found.add(path, "type check ('%s') failed - got '%s'", p.Type, value)
		return
	}
	if text := p.Format.check(path, value); text != "" {
		found.add(path, "invalid format - %s", text)
		return
	}
	switch {
	case p.matches != nil && !p.matches.MatchString(value):
		found.add(path, "value does not match the regex pattern")
	case p.MaxLength != nil && len([]rune(value)) > *p.MaxLength:
		found.add(path, "value may only be %d characters long", *p.MaxLength)
	case p.MinLength != nil && len([]rune(value)) < *p.MinLength:
		found.add(path, "value must be at least %d characters long", *p.MinLength)
	case p.outside(p.Maximum, value, 1):
		found.add(path, "value must have a maximum value of %s", *p.Maximum)
	case p.outside(p.Minimum, value, -1):
		found.add(path, "value must have a minimum value of %s", *p.Minimum)
	case len(p.Enum) > 0 && !contains(p.Enum, value):
		found.add(path, "value '%s' does not have a value in the enumeration '%s'", value, strings.Join(p.Enum, ", "))
	}
}

func contains(list []string, value string) bool {
	for _, v := range list {
		if v == value {
			return true
		}
	}
	return false
}

func (p *property) hasType(value string) bool {
	switch p.Type {
	case "integer":
		return integerText.MatchString(value)
	case "number":
		return numberText.MatchString(value)
	case "boolean":
		return value == "0" || value == "1"
	}
	return true
}

// outside reports whether a number lies beyond a limit; side 1 is above.
func (p *property) outside(limit *json.Number, value string, side float64) bool {
	if limit == nil || !numberText.MatchString(value) {
		return false
	}
	bound, err := limit.Float64()
	number, bad := strconv.ParseFloat(value, 64)
	return err == nil && bad == nil && (number-bound)*side > 0
}

// check checks a value against a format; the text of a finding is empty when there is none.
func (f format) check(path, value string) string {
	if f.parts != nil {
		return checkParts(f.parts, path, value)
	}
	if f.name == "" {
		return ""
	}
	return checkNamed(f.name, path, value)
}

// checkParts checks a comma-separated value such as "zfs:8,discard=on".
func checkParts(parts map[string]*property, path, text string) string {
	values, problem := splitParts(parts, text)
	if problem != "" {
		return problem + "\n"
	}
	found := problems{}
	for name, part := range parts {
		if _, given := values[name]; !given && part.Optional == 0 && part.Alias == "" {
			found.add(path+"."+name, textMissing)
		}
	}
	for name, value := range values {
		part, known := parts[name]
		if !known {
			found.add(path+"."+name, textUnknown)
			continue
		}
		part.checkValue(path+"."+name, value, found)
	}
	if len(found) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("format error\n")
	for _, name := range sortedKeys(found) {
		b.WriteString(name + ": " + found[name] + "\n")
	}
	return b.String()
}

// splitParts takes a comma-separated value apart and resolves aliases ("virtio=MAC" is model and address).
func splitParts(parts map[string]*property, text string) (values map[string]string, problem string) {
	values = map[string]string{}
	defaultKey := ""
	for name, part := range parts {
		if part.DefaultKey != 0 {
			defaultKey = name
		}
	}
	for piece := range strings.SplitSeq(text, ",") {
		if strings.TrimSpace(piece) == "" {
			continue
		}
		key, value, named := strings.Cut(piece, "=")
		switch {
		case named && (key == "" || value == ""):
			return nil, "missing key in comma-separated list property"
		case !named && defaultKey == "":
			return nil, "value without key, but schema does not define a default key"
		case !named:
			key, value = defaultKey, piece
		}
		if problem := addPart(parts, values, key, value); problem != "" {
			return nil, problem
		}
	}
	return values, ""
}

// addPart adds one part under its real name.
func addPart(parts map[string]*property, values map[string]string, key, value string) (problem string) {
	if part, ok := parts[key]; ok && part.Alias != "" {
		if part.KeyAlias != "" {
			if _, twice := values[part.KeyAlias]; twice {
				return fmt.Sprintf("key alias '%s' is already defined", part.KeyAlias)
			}
			values[part.KeyAlias] = key
		}
		key = part.Alias
	}
	if _, twice := values[key]; twice {
		return "duplicate key in comma-separated list property: " + key
	}
	if part, ok := parts[key]; ok && part.Type == "boolean" {
		value = foldBoolean(value)
	}
	values[key] = value
	return ""
}
