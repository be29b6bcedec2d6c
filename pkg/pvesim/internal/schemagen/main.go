// Schemagen condenses Proxmox VE's published API schema to what the simulation needs: parameters and privileges of the
// methods around virtual machines, storage, tasks, pools and access. Descriptions and return types are left out, equal
// parameters are stored once.
//
// Usage: schemagen -out FILE -8 schema-8.json.gz -9 schema-9.json.gz
package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
)

// method is one method of the published schema, as far as it is used.
type method struct {
	HTTP       string `json:"http"`
	Path       string `json:"path"`
	Protected  int    `json:"protected"`
	ProxyTo    string `json:"proxyto"`
	AllowToken *int   `json:"allowtoken"`
	Parameters struct {
		AdditionalProperties json.RawMessage            `json:"additionalProperties"`
		Properties           map[string]json.RawMessage `json:"properties"`
	} `json:"parameters"`
	Permissions *struct {
		User  string          `json:"user"`
		Check json.RawMessage `json:"check"`
	} `json:"permissions"`
}

// condensed is one method of the result; its parameters are numbers of properties.
type condensed struct {
	HTTP      string          `json:"http"`
	Path      string          `json:"path"`
	Protected bool            `json:"protected,omitempty"`
	ProxyTo   string          `json:"proxyto,omitempty"`
	NoToken   bool            `json:"notoken,omitempty"`
	Open      bool            `json:"open,omitempty"` // takes parameters that are not in the schema
	User      string          `json:"user,omitempty"`
	Check     json.RawMessage `json:"check,omitempty"`
	Params    map[string]int  `json:"params,omitempty"`
}

// wanted are the parts of the API that are simulated.
var wanted = []string{
	"/version", "/cluster/nextid", "/cluster/resources", "/cluster/tasks", "/cluster/status", "/nodes/{node}/status",
	"/nodes/{node}/network", "/nodes/{node}/tasks", "/nodes/{node}/storage", "/nodes/{node}/qemu", "/pools", "/storage",
	"/access/acl", "/access/permissions", "/access/roles", "/access/ticket", "/access/users", "/access/password",
}

// unwanted are parts of those that are not.
var unwanted = []string{
	"/firewall", "proxy", "migrate", "mtunnel", "monitor", "feature", "move_disk", "/rrd", "/spice", "websocket", "/tfa",
	"sendkey", "dbus", "prunebackups", "file-restore", "import-metadata", "unlock-tfa", "network/{iface}", "/oci",
	"qemu/{vmid}/vnc", "remote",
}

type table struct {
	properties []json.RawMessage
	numbers    map[string]int
}

func main() {
	out := flag.String("out", "", "file to write")
	eight := flag.String("8", "", "schema of version 8")
	nine := flag.String("9", "", "schema of version 9")
	flag.Parse()
	if err := run(*out, *eight, *nine); err != nil {
		fmt.Fprintln(os.Stderr, "schemagen:", err)
		os.Exit(1)
	}
}

func run(out, eight, nine string) error {
	t := &table{numbers: map[string]int{}}
	var b bytes.Buffer
	var parts [2][]condensed
	for i, name := range []string{eight, nine} {
		methods, err := t.read(name)
		if err != nil {
			return fmt.Errorf("reading %s: %w", name, err)
		}
		parts[i] = methods
	}
	b.WriteString("{\"properties\":[\n")
	writeLines(&b, t.properties)
	for i, major := range []string{"8", "9"} {
		fmt.Fprintf(&b, "],\n%q:[\n", major)
		lines := make([]json.RawMessage, len(parts[i]))
		for n, m := range parts[i] {
			line, err := json.Marshal(m)
			if err != nil {
				return fmt.Errorf("encoding %s: %w", m.Path, err)
			}
			lines[n] = line
		}
		writeLines(&b, lines)
	}
	b.WriteString("]}\n")
	if err := os.WriteFile(out, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	return nil
}

func writeLines(b *bytes.Buffer, lines []json.RawMessage) {
	for i, line := range lines {
		b.Write(line)
		if i < len(lines)-1 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
	}
}

func (t *table) read(name string) ([]condensed, error) {
	methods, err := readSchema(name)
	if err != nil {
		return nil, err
	}
	var result []condensed
	for _, m := range methods {
		if !isWanted(m.Path) {
			continue
		}
		c := condensed{
			HTTP: m.HTTP, Path: m.Path, Protected: m.Protected == 1, ProxyTo: m.ProxyTo, NoToken: m.AllowToken != nil && *m.AllowToken == 0,
			Open: string(m.Parameters.AdditionalProperties) != "0", Params: map[string]int{},
		}
		if m.Permissions != nil {
			c.User, c.Check = m.Permissions.User, m.Permissions.Check
		}
		for _, key := range slices.Sorted(maps.Keys(m.Parameters.Properties)) {
			if c.Params[key], err = t.number(m.Parameters.Properties[key]); err != nil {
				return nil, fmt.Errorf("%s %s: %w", m.Path, key, err)
			}
		}
		result = append(result, c)
	}
	return result, nil
}

// readSchema reads a published schema, plain or packed by gzip.
func readSchema(name string) ([]method, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var text io.Reader = file
	if strings.HasSuffix(name, ".gz") {
		if text, err = gzip.NewReader(file); err != nil {
			return nil, err
		}
	}
	var methods []method
	return methods, json.NewDecoder(text).Decode(&methods)
}

func isWanted(path string) bool {
	within := func(p string) bool { return path == p || strings.HasPrefix(path, p+"/") }
	has := func(part string) bool { return strings.Contains(path, part) }
	return path == "/nodes" || slices.ContainsFunc(wanted, within) && !slices.ContainsFunc(unwanted, has)
}

// number stores a property unless an equal one is there already. Limits that are written as text become numbers,
// defaults are dropped, since nothing is filled in.
func (t *table) number(property json.RawMessage) (int, error) {
	var value any
	decoder := json.NewDecoder(bytes.NewReader(property))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return 0, err
	}
	tidy(value)
	text, err := json.Marshal(value)
	if err != nil {
		return 0, err
	}
	if n, ok := t.numbers[string(text)]; ok {
		return n, nil
	}
	t.properties = append(t.properties, text)
	t.numbers[string(text)] = len(t.properties) - 1
	return len(t.properties) - 1, nil
}

func tidy(value any) {
	object, ok := value.(map[string]any)
	if !ok {
		return
	}
	for _, unused := range []string{"default", "description", "verbose_description", "typetext", "title", "format_description"} {
		if !isObject(object[unused]) { // an object of that name is a property, not a remark
			delete(object, unused)
		}
	}
	for key, child := range object {
		switch text := child.(type) {
		case string:
			if number, err := strconv.ParseFloat(text, 64); err == nil && (key == "minimum" || key == "maximum") {
				object[key] = number
			}
		default:
			tidy(child)
		}
	}
}

func isObject(value any) bool {
	_, ok := value.(map[string]any)
	return ok
}
