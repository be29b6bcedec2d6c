package fio

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// cleaned is JSON text out of which everything that is no JSON was blanked; offsets stay as they were.
type cleaned struct {
	json []byte
	// talk are the lines that were blanked; notNumbers counts nan and inf that were replaced by 0.
	talk       string
	notNumbers int
}

// notNumbers is what printf, and Python's json for reports that went through it, write for numbers that are none.
// A word stands before those it begins with.
var notNumbers = []string{"-nan", "-inf", "nan", "inf", "-Infinity", "Infinity", "NaN"}

// clean blanks what fio and its libraries are known to mix into the JSON: whole lines of warnings when stderr
// shares the stream, and nan or inf, for which put stands.
func (c cleaned) clean(put func(word []byte) string) cleaned {
	out := cleaned{json: make([]byte, 0, len(c.json))}
	var talk strings.Builder
	for line := range bytes.Lines(c.json) {
		if !looksLikeJSON(line) {
			talk.Write(line)
			line = blank(line)
		}
		line, n := replaceNotNumbers(line, put)
		out.json = append(out.json, line...)
		out.notNumbers += n
	}
	out.talk = talk.String()
	return out
}

// looksLikeJSON tells a line of fio's JSON, one value or bracket per line, from a line of talk.
func looksLikeJSON(line []byte) bool {
	line = bytes.TrimSpace(line)
	if len(line) == 0 || bytes.IndexByte([]byte(`"{}[],0123456789-`), line[0]) >= 0 {
		return true
	}
	for _, word := range []string{"nan", "inf", "NaN", "Infinity", "null", "true", "false"} {
		if rest, ok := bytes.CutPrefix(line, []byte(word)); ok && (len(rest) == 0 || rest[0] == ',') {
			return true
		}
	}
	return false
}

// blank is a line of the same length with nothing on it.
func blank(line []byte) []byte {
	spaces := bytes.Repeat([]byte{' '}, len(line))
	if bytes.HasSuffix(line, []byte("\n")) {
		spaces[len(line)-1] = '\n'
	}
	return spaces
}

// sameLength puts 0, right-aligned, so that offsets stay as they were.
func sameLength(word []byte) string { return strings.Repeat(" ", len(word)-1) + "0" }

// quoted keeps the word for the number that reads it.
func quoted(word []byte) string { return `"` + string(word) + `"` }

// replaceNotNumbers puts something else in the place of nan and inf outside of strings.
func replaceNotNumbers(line []byte, put func(word []byte) string) (out []byte, count int) {
	inString := false
	for i := 0; i < len(line); i++ {
		switch {
		case line[i] == '\\' && inString:
			out = append(out, line[i])
			i++
			if i == len(line) {
				return out, count
			}
		case line[i] == '"':
			inString = !inString
		case !inString:
			if n := notNumberAt(line[i:]); n > 0 {
				out = append(out, put(line[i:i+n])...)
				i += n - 1
				count++
				continue
			}
		}
		out = append(out, line[i])
	}
	return out, count
}

// notNumberAt is the length of the nan or inf that text begins with, or 0.
func notNumberAt(text []byte) int {
	for _, word := range notNumbers {
		if bytes.HasPrefix(text, []byte(word)) {
			return len(word)
		}
	}
	return 0
}

// endPath walks JSON that ends early and returns the place where it does, for example jobs[0].write.clat_ns.
func endPath(text []byte) string {
	decoder := json.NewDecoder(bytes.NewReader(text))
	var path pathTracker
	for {
		token, err := decoder.Token()
		if err != nil {
			var syntax *json.SyntaxError
			if errors.As(err, &syntax) && len(path.levels) == 0 {
				return "its first bytes"
			}
			return path.String()
		}
		path.see(token)
	}
}

// pathTracker follows the tokens of a JSON document.
type pathTracker struct{ levels []level }

// level is one open object or array.
type level struct {
	array bool
	index int    // of the value being read, in an array
	key   string // of the value being read, in an object; "" while a key is expected
}

func (p *pathTracker) see(token json.Token) {
	if delim, ok := token.(json.Delim); ok {
		switch delim {
		case '{', '[':
			p.levels = append(p.levels, level{array: delim == '['})
			return
		default:
			p.levels = p.levels[:len(p.levels)-1]
		}
	} else if top := p.top(); top != nil && !top.array && top.key == "" {
		if key, isKey := token.(string); isKey {
			top.key = key
			return
		}
	}
	p.valueDone()
}

func (p *pathTracker) valueDone() {
	if top := p.top(); top != nil {
		top.index++
		top.key = ""
	}
}

func (p *pathTracker) top() *level {
	if len(p.levels) == 0 {
		return nil
	}
	return &p.levels[len(p.levels)-1]
}

// String is the path of the value being read, or of the object that lacks more.
func (p *pathTracker) String() string {
	var text strings.Builder
	for _, l := range p.levels {
		switch {
		case l.array:
			fmt.Fprintf(&text, "[%d]", l.index)
		case l.key != "" && text.Len() > 0:
			text.WriteString("." + l.key)
		default:
			text.WriteString(l.key)
		}
	}
	if text.Len() == 0 {
		return "its outermost object"
	}
	return text.String()
}
