package chart

import (
	"strings"
	"unicode"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// lineSpacing is the distance of two baselines in font sizes.
const lineSpacing = 1.3

// block is wrapped text of one style.
type block struct {
	style draw.TextStyle
	lines []string
}

// newBlock wraps txt to width; empty text has no lines and no height.
func newBlock(style draw.TextStyle, txt string, width vg.Length) block {
	if txt == "" {
		return block{style: style}
	}
	var lines []string
	for _, paragraph := range strings.Split(printable(txt), "\n") {
		lines = append(lines, wrap(style, paragraph, width)...)
	}
	return block{style: style, lines: lines}
}

func (t block) height() vg.Length {
	return vg.Length(float64(len(t.lines)) * lineSpacing * float64(t.style.Font.Size))
}

func (t block) width() vg.Length {
	var w vg.Length
	for _, line := range t.lines {
		w = max(w, t.style.Width(line))
	}
	return w
}

// draw prints the block with its upper edge at y, aligned to x as its style says, and returns its lower edge.
func (t block) draw(c draw.Canvas, x, y vg.Length) vg.Length {
	step := vg.Length(lineSpacing * float64(t.style.Font.Size))
	for _, line := range t.lines {
		put(c, t.style, vg.Point{X: x, Y: y}, line)
		y -= step
	}
	return y
}

// put draws one line of text, aligned to the point as its style says. An SVG keeps the alignment: whoever shows it may
// have a font of another width.
func put(c draw.Canvas, style draw.TextStyle, at vg.Point, line string) {
	if svg, ok := c.Canvas.(*svgCanvas); ok {
		svg.next = anchor{align: style.XAlign, width: style.Width(line)}
	}
	c.FillText(style, at, line)
}

// printable replaces what XML cannot carry and fonts cannot draw, such as the control characters of a tool's message.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
}

// wrap breaks a line into lines no wider than width: after spaces and the separators of machine names first,
// inside a word only when it is wider than a whole line.
func wrap(style draw.TextStyle, line string, width vg.Length) []string {
	var lines []string
	current := ""
	flush := func() {
		lines = append(lines, strings.TrimRight(current, " "))
		current = ""
	}
	for _, word := range breakable(line) {
		if current != "" && style.Width(strings.TrimRight(current+word, " ")) > width {
			flush()
		}
		for _, r := range word {
			if current != "" && r != ' ' && style.Width(current+string(r)) > width {
				flush()
			}
			current += string(r)
		}
	}
	flush()
	return lines
}

// breakable cuts a line after every character a line may end with.
func breakable(line string) []string {
	var parts []string
	begin := 0
	for i, r := range line {
		if strings.ContainsRune(" -_./:", r) {
			parts = append(parts, line[begin:i+1])
			begin = i + 1
		}
	}
	return append(parts, line[begin:])
}
