package pvesim

import (
	_ "embed" // for the schema
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

//go:embed zz_schema.json
var schemaJSON []byte

// schema is what Proxmox VE publishes about its API, as far as it is simulated.
type schema struct {
	methods map[string]*method // by "GET /path"
	paths   []*method
}

// method is one method of the API.
type method struct {
	HTTP      string         `json:"http"`
	Path      string         `json:"path"`
	Protected bool           `json:"protected"` // runs in pvedaemon
	ProxyTo   string         `json:"proxyto"`
	NoToken   bool           `json:"notoken"`
	Open      bool           `json:"open"` // takes parameters beyond those listed
	User      string         `json:"user"` // all or world: no privilege needed
	Check     *permission    `json:"check"`
	Numbers   map[string]int `json:"params"`

	params map[string]*property
}

// property is the schema of one parameter, or of one part of a parameter that has parts.
type property struct {
	Type       string       `json:"type"`
	Optional   int          `json:"optional"`
	Format     format       `json:"format"`
	Pattern    string       `json:"pattern"`
	Enum       []string     `json:"enum"`
	Minimum    *json.Number `json:"minimum"`
	Maximum    *json.Number `json:"maximum"`
	MinLength  *int         `json:"minLength"`
	MaxLength  *int         `json:"maxLength"`
	Alias      string       `json:"alias"`
	KeyAlias   string       `json:"keyAlias"`
	DefaultKey int          `json:"default_key"`
	Requires   requirement  `json:"requires"`

	matches *regexp.Regexp
}

// format is a named format, or the parts of a comma-separated value.
type format struct {
	name  string
	parts map[string]*property
}

// UnmarshalJSON implements json.Unmarshaler.
func (f *format) UnmarshalJSON(raw []byte) error {
	if raw[0] == '"' {
		return json.Unmarshal(raw, &f.name)
	}
	return json.Unmarshal(raw, &f.parts)
}

// requirement names another parameter that must be there too; other forms of it are not used.
type requirement string

// UnmarshalJSON implements json.Unmarshaler.
func (r *requirement) UnmarshalJSON(raw []byte) error {
	if raw[0] != '"' {
		return nil
	}
	var s string
	err := json.Unmarshal(raw, &s)
	*r = requirement(s)
	return err
}

// loadSchemas decodes the schemas of both majors once per process.
var loadSchemas = sync.OnceValues(func() (map[int]*schema, error) {
	var file struct {
		Properties []*property `json:"properties"`
		Eight      []*method   `json:"8"`
		Nine       []*method   `json:"9"`
	}
	if err := json.Unmarshal(schemaJSON, &file); err != nil {
		return nil, fmt.Errorf("reading the api schema: %w", err)
	}
	for _, p := range file.Properties {
		if err := p.compile(); err != nil {
			return nil, fmt.Errorf("reading the api schema: %w", err)
		}
	}
	schemas := map[int]*schema{}
	for major, methods := range map[int][]*method{8: file.Eight, 9: file.Nine} {
		s := &schema{methods: map[string]*method{}, paths: methods}
		for _, m := range methods {
			m.params = map[string]*property{}
			for name, number := range m.Numbers {
				m.params[name] = file.Properties[number]
			}
			s.methods[m.HTTP+" "+m.Path] = m
		}
		schemas[major] = s
	}
	return schemas, nil
})

var (
	perlFlags = regexp.MustCompile(`\(\?\^([a-z]*):`)
	perlMany  = regexp.MustCompile(`\{0,\d{4,}\}`) // beyond what Go repeats
)

// compile prepares the pattern, which is one of Perl's.
func (p *property) compile() error {
	for _, part := range p.Format.parts {
		if err := part.compile(); err != nil {
			return err
		}
	}
	if p.Pattern == "" {
		return nil
	}
	pattern := perlFlags.ReplaceAllStringFunc(p.Pattern, func(group string) string {
		return "(?" + strings.TrimPrefix(group, "(?^")
	})
	pattern = perlMany.ReplaceAllString(pattern, "*")
	matches, err := regexp.Compile("^(?:" + pattern + ")$")
	p.matches = matches
	return err
}

// indexed are the last numbers of parameters such as scsi[n]; the schema does not tell them.
var indexed = map[string]int{
	"ide": 3, "sata": 5, "scsi": 30, "virtio": 15, "net": 31, "unused": 255, "serial": 3, "parallel": 2, "usb": 13,
	"hostpci": 15, "ipconfig": 31, "numa": 7, "virtiofs": 9,
}

var indexedName = regexp.MustCompile(`^([a-z]+)(0|[1-9]\d*)$`)

// param returns the schema of a parameter.
func (m *method) param(name string) (*property, bool) {
	if p, ok := m.params[name]; ok {
		return p, true
	}
	parts := indexedName.FindStringSubmatch(name)
	if parts == nil {
		return nil, false
	}
	p, ok := m.params[parts[1]+"[n]"]
	n, err := strconv.Atoi(parts[2])
	return p, ok && err == nil && n <= indexed[parts[1]]
}
