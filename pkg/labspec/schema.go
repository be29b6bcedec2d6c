package labspec

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// Schema returns the JSON Schema (draft 2020-12) of the lab file: what an editor needs to complete and explain keys. It
// says less than [Parse], which also checks how values fit together.
func Schema() []byte {
	root := labFields(new(document)).shape()
	root.Dialect = "https://json-schema.org/draft/2020-12/schema"
	root.Title = "labctl lab file"
	root.Description = "A benchmark lab on Proxmox VE: its VMs, their disks, the host as a target, and what is measured."
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(root); err != nil {
		return nil // the tables hold nothing that JSON cannot say; a test pins the bytes
	}
	return out.Bytes()
}

// schema is the part of JSON Schema that describes a lab file.
type schema struct {
	Dialect              string            `json:"$schema,omitempty"`
	Title                string            `json:"title,omitempty"`
	Description          string            `json:"description,omitempty"`
	Type                 typeNames         `json:"type,omitempty"`
	Enum                 []string          `json:"enum,omitempty"`
	Pattern              string            `json:"pattern,omitempty"`
	MaxLength            int               `json:"maxLength,omitempty"`
	Minimum              *int              `json:"minimum,omitempty"`
	Maximum              *int              `json:"maximum,omitempty"`
	Items                *schema           `json:"items,omitempty"`
	MinItems             int               `json:"minItems,omitempty"`
	Properties           properties        `json:"properties,omitempty"`
	PropertyNames        *schema           `json:"propertyNames,omitempty"`
	Required             []string          `json:"required,omitempty"`
	AdditionalProperties *others           `json:"additionalProperties,omitempty"`
	Default              json.RawMessage   `json:"default,omitempty"`
	Examples             []json.RawMessage `json:"examples,omitempty"`
}

// typeNames is written as one word where there is one.
type typeNames []string

// MarshalJSON implements [json.Marshaler].
func (t typeNames) MarshalJSON() ([]byte, error) {
	if len(t) == 1 {
		return json.Marshal(t[0])
	}
	return json.Marshal([]string(t))
}

// others says what keys beside the properties may hold; with no schema there must be none.
type others struct{ schema *schema }

// MarshalJSON implements [json.Marshaler].
func (o others) MarshalJSON() ([]byte, error) {
	if o.schema == nil {
		return []byte("false"), nil
	}
	return json.Marshal(o.schema)
}

// properties keep the order of the tables.
type properties []property

type property struct {
	name   string
	schema schema
}

// MarshalJSON implements [json.Marshaler].
func (p properties) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	for i, property := range p {
		value, err := json.Marshal(property.schema)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteString(strconv.Quote(property.name) + ":")
		out.Write(value)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// shape of an object closes it: an editor underlines unknown keys.
func (o object) shape() schema {
	s := schema{Type: typeNames{"object"}, AdditionalProperties: &others{}}
	for _, f := range o {
		s.Properties = append(s.Properties, property{f.key, f.shape()})
		if f.required {
			s.Required = append(s.Required, f.key)
		}
	}
	return s
}

// shape of a layer has nothing required.
func (l layer) shape() schema {
	s := l.object.shape()
	s.withoutRequired()
	return s
}

func (s *schema) withoutRequired() {
	s.Required = nil
	for i := range s.Properties {
		s.Properties[i].schema.withoutRequired()
	}
}

func (o optional[T]) shape() schema { return o.fields(new(T)).shape() }

func (s sequence[T]) shape() schema {
	items := s.fields(new(T)).shape()
	if s.from != nil { // what is inherited need not stand in the element itself; a name is nobody's but its own
		items.withoutRequired()
		items.Required = []string{"name"}
	}
	return schema{Type: typeNames{"array"}, Items: &items, MinItems: 1}
}

// shape of a field adds the documentation to that of its value.
func (f field) shape() schema {
	s := f.value.shape()
	s.Description = f.doc
	if f.fallback != "" {
		s.Default = s.literal(f.fallback)
	}
	for _, example := range f.examples {
		s.Examples = append(s.Examples, s.literal(example))
	}
	return s
}

// literal writes a value, given in the words of the file, as JSON.
func (s schema) literal(word string) json.RawMessage {
	if len(s.Type) == 1 && s.Type[0] != "string" {
		return json.RawMessage(word)
	}
	quoted, err := json.Marshal(word)
	if err != nil {
		return nil
	}
	return quoted
}
