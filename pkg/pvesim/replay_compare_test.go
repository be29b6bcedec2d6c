package pvesim

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// varyingKeys are the keys whose values depend on the host, the hour, or chance; of those only the type is compared.
var varyingKeys = []string{
	"digest", "meta", "smbios1", "vmgenid", "net0", "uptime", "mem", "cpu", "netin", "netout", "pid", "pstart", "starttime", "endtime",
	"upid", "ticket", "CSRFPreventionToken", "value", "total", "ctime", "size", "used", "avail", "used_fraction", "snaptime", "flags",
	"ssl_fingerprint", "version", "repoid", "release", "pveversion", "kversion", "model", "mhz", "free", "maxmem", "maxdisk",
	"hvm", "family", "vendor", "available",
}

// compare lists the differences between a recorded answer and ours.
func (p *player) compare(e *exchange, got reply) []string {
	var found []string
	differ := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	if want := e.Response.Status; want != nil && (*want != got.Status || p.translate(e.Response.Reason) != got.Reason) {
		differ("%d %q instead of %d %q", got.Status, got.Reason, *want, p.translate(e.Response.Reason))
		return found
	}
	if p.sameEnd(e, got) {
		return nil
	}
	var was, is any
	recorded := p.translate(string(e.Response.JSON))
	if len(recorded) == 0 {
		if e.Response.Body == "" && got.Body != "" {
			differ("a body instead of none")
		}
		return found
	}
	if json.Unmarshal([]byte(recorded), &was) != nil || json.Unmarshal([]byte(got.Body), &is) != nil {
		return append(found, fmt.Sprintf("not JSON: %q", got.Body))
	}
	diffValue("", was, is, differ)
	if len(found) > 4 {
		found = append(found[:4], fmt.Sprintf("and %d more", len(found)-4))
	}
	return found
}

// sameEnd reports whether we were only quicker: a task that was seen running has ended here as it did there later.
func (p *player) sameEnd(e *exchange, got reply) bool {
	var ours struct {
		Data struct {
			ExitStatus string `json:"exitstatus"`
		} `json:"data"`
	}
	id := upidText.FindString(p.short(e))
	if id == "" || !strings.HasSuffix(p.short(e), "/status") || strings.Contains(string(e.Response.JSON), "exitstatus") {
		return false
	}
	return json.Unmarshal([]byte(got.Body), &ours) == nil && ours.Data.ExitStatus != "" &&
		strings.Contains(p.outcome[id], mustJSON(ours.Data.ExitStatus))
}

// diffValue compares types, key sets, and the texts that matter.
func diffValue(path string, was, is any, differ func(string, ...any)) {
	switch w := was.(type) {
	case map[string]any:
		i, ok := is.(map[string]any)
		if !ok {
			differ("%s is %s, not an object", path, kindOf(is))
			return
		}
		diffObject(path, w, i, differ)
	case []any:
		i, ok := is.([]any)
		if !ok {
			differ("%s is %s, not a list", path, kindOf(is))
			return
		}
		diffList(path, w, i, differ)
	default:
		if kindOf(was) != kindOf(is) {
			differ("%s is %s, not %s", path, kindOf(is), kindOf(was))
			return
		}
		key := path[strings.LastIndex(path, ".")+1:]
		text := fmt.Sprint(was)
		varies := slices.Contains(varyingKeys, key) || strings.Contains(path, ".result") || strings.HasPrefix(text, "UPID:")
		if !varies && !sameText(key, text, fmt.Sprint(is)) {
			differ("%s is %q, not %q", path, fmt.Sprint(is), text)
		}
	}
}

func sameText(key, a, b string) bool {
	if key == "content" && strings.Contains(a, ",") {
		x, y := strings.Split(a, ","), strings.Split(b, ",")
		slices.Sort(x)
		slices.Sort(y)
		return slices.Equal(x, y)
	}
	return zfsName.ReplaceAllString(a, "cannot $1 X:") == zfsName.ReplaceAllString(b, "cannot $1 X:")
}

func diffObject(path string, was, is map[string]any, differ func(string, ...any)) {
	missing, extra := keysOnlyIn(was, is), keysOnlyIn(is, was)
	if len(missing) > 0 {
		differ("%s lacks %s", path, strings.Join(missing, " "))
	}
	if len(extra) > 0 {
		differ("%s has %s too", path, strings.Join(extra, " "))
	}
	for _, key := range slices.Sorted(maps.Keys(was)) {
		if v, ok := is[key]; ok {
			diffValue(path+"."+key, was[key], v, differ)
		}
	}
}

func keysOnlyIn(a, b map[string]any) []string {
	var only []string
	for _, key := range slices.Sorted(maps.Keys(a)) {
		if _, ok := b[key]; !ok {
			only = append(only, key)
		}
	}
	return only
}

// diffList compares lists as sets of shapes: the recorded host had more VMs and tasks behind it than a replay has.
func diffList(path string, was, is []any, differ func(string, ...any)) {
	if (len(was) == 0) != (len(is) == 0) {
		differ("%s has %d rows, not %d", path, len(is), len(was))
		return
	}
	was, is = sameKnowledge(was, is)
	wanted, got := shapes(was), shapes(is)
	for shape := range got {
		if !wanted[shape] {
			differ("%s has a row %s, recorded were %s", path, shape, strings.Join(slices.Sorted(maps.Keys(wanted)), " | "))
			return
		}
	}
	if lines := logLines(was); lines != nil {
		if ours := logLines(is); !slices.Equal(lines, ours) {
			differ("log %q, not %q", ours, lines)
		}
	}
}

// sameKnowledge drops the figures of VMs that come from pvestatd where some are not known yet: its phase is chance.
func sameKnowledge(was, is []any) ([]any, []any) {
	unknown := func(list []any) bool {
		return slices.ContainsFunc(list, func(row any) bool {
			object, ok := row.(map[string]any)
			return ok && object["type"] == "qemu" && object["status"] == "unknown"
		})
	}
	if !unknown(was) && !unknown(is) {
		return was, is
	}
	return liveOnly(was), liveOnly(is)
}

func liveOnly(list []any) []any {
	var result []any
	for _, row := range list {
		object, ok := row.(map[string]any)
		if !ok || object["type"] != "qemu" {
			result = append(result, row)
			continue
		}
		live := map[string]any{}
		for _, key := range []string{"id", "type", "vmid", "node", "status", "pool", "lock"} {
			if v, has := object[key]; has {
				live[key] = v
			}
		}
		result = append(result, live)
	}
	return result
}

func shapes(list []any) map[string]bool {
	set := map[string]bool{}
	for _, row := range list {
		set[shapeOf(row)] = true
	}
	return set
}

func shapeOf(v any) string {
	object, ok := v.(map[string]any)
	if !ok {
		return kindOf(v)
	}
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(object)) {
		parts = append(parts, key+":"+kindOf(object[key]))
	}
	return "{" + strings.Join(parts, " ") + "}"
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case float64:
		return "number"
	case string:
		return "text"
	case []any:
		return "list"
	}
	return "object"
}

var (
	zfsName      = regexp.MustCompile(`cannot (destroy|create)(?: '?[^':]+'?)?:`)
	progressLine = regexp.MustCompile(`^(?:transferred |trying to acquire| OK$|\d+\.\d+ \wi?B in|completed saving|saving VM state|file size|command: cp|starting file import|--\d{4})`)
)

// logLines are the lines of a task log without those that depend on time and size.
func logLines(rows []any) []string {
	var lines []string
	for _, row := range rows {
		object, ok := row.(map[string]any)
		text, isLine := object["t"].(string)
		if !ok || !isLine {
			return nil
		}
		if !progressLine.MatchString(text) {
			lines = append(lines, zfsName.ReplaceAllString(text, "cannot $1 X:")) // the recording's zfs was a simulation too
		}
	}
	return lines
}
