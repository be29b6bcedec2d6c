package report

import (
	"strings"
	"unicode"

	"github.com/jedib0t/go-pretty/v6/text"
)

// ANSI attributes. go-pretty's own switch is global, so it is not used.
const (
	bold = "\x1b[1m"
	red  = "\x1b[1;31m"
)

func paint(color bool, attribute, s string) string {
	if !color {
		return s
	}
	return attribute + s + "\x1b[0m"
}

// wrap breaks text between words to the text width; every line begins with indent.
func wrap(s, indent string) string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(s) {
		if line != "" && text.StringWidth(indent+line+" "+word) > textWidth {
			lines = append(lines, indent+line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return strings.Join(append(lines, indent+line), "\n")
}

// oneLine makes the text of a foreign program fit into a line: no control characters, no line breaks.
func oneLine(s string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)), " ")
}

// brief is the beginning of a message, at most limit characters of it.
func brief(s string, limit int) string {
	if r := []rune(oneLine(s)); len(r) > limit {
		return string(r[:limit]) + "..."
	}
	return oneLine(s)
}

// escape keeps Markdown from reading text as markup. A pipe is left to the table writer.
func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "<", `\<`, "[", `\[`, "#", `\#`).Replace(s)
}
