package pve

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// The types of this file decode what PVE means, whatever JSON type it chose:
// the same field is a number in one answer and a string in the next.

// wireText is any JSON scalar as text: true and false become "1" and "0", null
// and absence become "".
type wireText string

// UnmarshalJSON implements json.Unmarshaler.
func (t *wireText) UnmarshalJSON(data []byte) error {
	data = bytes.TrimSpace(data)
	switch {
	case len(data) == 0 || string(data) == "null":
		*t = ""
	case string(data) == "true":
		*t = "1"
	case string(data) == "false":
		*t = "0"
	case data[0] == '"':
		var s string
		if err := json.Unmarshal(data, &s); err != nil {
			return fmt.Errorf("decoding text: %w", err)
		}
		*t = wireText(s)
	case data[0] == '{' || data[0] == '[':
		return fmt.Errorf("decoding text: got %.20q", data)
	default:
		*t = wireText(data)
	}
	return nil
}

// wireInt is a whole number given as a number or as a string; fractions are cut.
type wireInt int64

// UnmarshalJSON implements json.Unmarshaler.
func (n *wireInt) UnmarshalJSON(data []byte) error {
	var t wireText
	if err := t.UnmarshalJSON(data); err != nil {
		return err
	}
	if t == "" {
		*n = 0
		return nil
	}
	if i, err := strconv.ParseInt(string(t), 10, 64); err == nil {
		*n = wireInt(i)
		return nil
	}
	f, err := strconv.ParseFloat(string(t), 64)
	if err != nil || f != f || f > 1<<62 || f < -(1<<62) {
		return fmt.Errorf("decoding number: got %.40q", string(t))
	}
	*n = wireInt(f)
	return nil
}

// wireBool is a truth value in any of PVE's spellings; null and absence are false.
type wireBool bool

// UnmarshalJSON implements json.Unmarshaler.
func (b *wireBool) UnmarshalJSON(data []byte) error {
	var t wireText
	if err := t.UnmarshalJSON(data); err != nil {
		return err
	}
	v, err := parseBool(string(t))
	if err != nil {
		return fmt.Errorf("decoding truth value: %w", err)
	}
	*b = wireBool(v)
	return nil
}

// parseBool reads PVE's spellings of a truth value (PVE::JSONSchema::parse_boolean).
func parseBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "1", "on", "yes", "true":
		return true, nil
	case "0", "off", "no", "false", "":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither true nor false", s)
}

// formatBool is the only spelling of a truth value that PVE takes in a request.
func formatBool(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// latin1Bytes undoes what PVE does to guest agent data: each byte of a file
// arrives as the character with that number.
func latin1Bytes(s string) ([]byte, error) {
	out := make([]byte, 0, len(s))
	for i, r := range s {
		if r > 0xFF {
			return nil, fmt.Errorf("character %q at offset %d is no byte", r, i)
		}
		out = append(out, byte(r))
	}
	return out, nil
}

// splitList splits a list that PVE may separate by semicolons, commas or blanks.
func splitList(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool {
		return r == ';' || r == ',' || r == ' ' || r == '\t' || r == '\n' || r == 0
	})
}
