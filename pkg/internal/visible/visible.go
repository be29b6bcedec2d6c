// Package visible shows text from outside as it is: what a terminal would obey and a reader would not see is written out.
//
// Servers, guests, proxies and results folders choose their texts themselves. An escape sequence in one of them clears
// the screen, a line break forges a row, and a bidirectional override makes a name look like another. [Writer] is the
// last filter before a terminal or a file. It cannot know which line breaks are ours, so a name, a message or a log line
// from outside goes through [Line] where it is put into a text.
package visible

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Line returns s as one line: line breaks and tabs are written out, too.
func Line(s string) string { return show(s, "") }

// Lines returns every line as Line does.
func Lines(lines []string) []string {
	shown := make([]string, len(lines))
	for i, line := range lines {
		shown[i] = Line(line)
	}
	return shown
}

// Text returns s with its line breaks and tabs as they are.
func Text(s string) string { return show(s, "\n\t") }

// Cell returns s for a table that a spreadsheet may open: as Line does, and as text where a spreadsheet would calculate.
// A cell that begins with one of these characters is a formula (OWASP, CSV Injection), unless it is a number as a whole;
// a leading apostrophe says text.
func Cell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) && !number.MatchString(s) {
		s = "'" + s
	}
	return Line(s)
}

var number = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// show writes out every character that is hidden, but for the kept ones.
func show(s, keep string) string {
	clean := func(r rune) bool { return r != utf8.RuneError && (!hidden(r) || strings.ContainsRune(keep, r)) }
	if strings.TrimFunc(s, clean) == "" {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case hidden(r) && !strings.ContainsRune(keep, r):
			b.WriteString(escaped(r))
		default:
			b.WriteString(s[i : i+size])
		}
		i += size
	}
	return b.String()
}

// hidden are the control characters (C0, DEL, C1), the formatting characters (bidirectional overrides, zero widths,
// tags), and the separators of lines and paragraphs.
func hidden(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) }

// escaped is a character in the notation of JSON, so that a JSON document stays the same document.
func escaped(r rune) string {
	switch r {
	case '\n':
		return `\n`
	case '\r':
		return `\r`
	case '\t':
		return `\t`
	}
	if first, second := utf16.EncodeRune(r); first != unicode.ReplacementChar {
		return fmt.Sprintf(`\u%04x\u%04x`, first, second)
	}
	return fmt.Sprintf(`\u%04x`, r)
}
