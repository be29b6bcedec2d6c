package pvesim

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// scalar is a configuration value in JSON: what the schema calls an integer or a boolean is a number, all else text.
type scalar struct {
	text   string
	number bool
}

// MarshalJSON implements json.Marshaler.
func (s scalar) MarshalJSON() ([]byte, error) {
	if s.number {
		if n, err := strconv.ParseInt(s.text, 10, 64); err == nil {
			return strconv.AppendInt(nil, n, 10), nil
		}
	}
	return json.Marshal(s.text)
}

// numberKeys are the configuration keys whose values are numbers in JSON.
var numberKeys = []string{
	"acpi", "autostart", "balloon", "ciupgrade", "cores", "cpuunits", "freeze", "kvm", "localtime", "migrate_speed", "numa",
	"onboot", "protection", "reboot", "shares", "sockets", "tablet", "tdf", "template", "vcpus", "smp", "snaptime",
}

// hiddenPassword is what a stored password reads as.
const hiddenPassword = "**********"

func configScalar(key, value string) scalar {
	if key == "cipassword" {
		value = hiddenPassword
	}
	return scalar{text: value, number: slices.Contains(numberKeys, key)}
}

// getConfig is GET .../config: with what is pending, or as it is in effect now.
func getConfig(k *call) (any, error) {
	v, err := k.vm()
	if err != nil {
		return nil, err
	}
	config := v.effective()
	if k.params.flag("current") {
		config = v.config
	}
	if name := k.params.text("snapshot"); name != "" {
		s, ok := v.snapshotNamed(name)
		if !ok {
			return nil, failure("snapshot '%s' does not exist", name)
		}
		config = s.config
	}
	result := map[string]scalar{"digest": {text: v.digest()}}
	for key, value := range config {
		result[key] = configScalar(key, value)
	}
	return result, nil
}

// pendingEntry is one row of GET .../pending.
type pendingEntry struct {
	Key     string  `json:"key"`
	Value   *scalar `json:"value,omitempty"`
	Pending *scalar `json:"pending,omitempty"`
	Delete  int     `json:"delete,omitempty"`
}

// getPending is GET .../pending.
func getPending(k *call) (any, error) {
	v, err := k.vm()
	if err != nil {
		return nil, err
	}
	list := []pendingEntry{{Key: "digest", Value: &scalar{text: v.digest()}}}
	for _, key := range sortedKeys(v.config) {
		value := configScalar(key, v.config[key])
		e := pendingEntry{Key: key, Value: &value}
		if text, ok := v.pending[key]; ok {
			pending := configScalar(key, text)
			e.Pending = &pending
		}
		if v.removed[key] {
			e.Delete = 1
		}
		list = append(list, e)
	}
	for _, key := range sortedKeys(v.pending) {
		if _, known := v.config[key]; !known {
			pending := configScalar(key, v.pending[key])
			list = append(list, pendingEntry{Key: key, Pending: &pending})
		}
	}
	return list, nil
}

// normalizeTags is what becomes of a tag list: lower case, sorted, each once, joined by semicolons.
func normalizeTags(value string) string {
	tags := splitList(strings.ToLower(value))
	slices.Sort(tags)
	if len(tags) == 0 {
		return " "
	}
	return strings.Join(slices.Compact(tags), ";")
}
