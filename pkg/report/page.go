package report

import (
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// textWidth is the width in columns that text reports are made for.
const textWidth = 80

// page is a report in reading order, for a terminal or as Markdown.
type page []block

// block is one part of a page.
type block interface {
	text(color bool) string
	markdown() string
}

func (p page) text(color bool) string {
	return p.join(func(b block) string { return b.text(color) })
}

func (p page) markdown() string { return p.join(block.markdown) }

func (p page) join(render func(block) string) string {
	var parts []string
	for _, b := range p {
		if s := strings.TrimRight(render(b), "\n"); s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, "\n\n") + "\n"
}

// heading is a title of level 1 or 2.
type heading struct {
	level int
	title string
}

func (h heading) text(color bool) string { return paint(color, bold, h.title) }

func (h heading) markdown() string { return strings.Repeat("#", h.level) + " " + escape(h.title) }

// warn is a paragraph that must not be overlooked.
type warn string

func (w warn) text(color bool) string { return paint(color, red, wrap(string(w), "")) }

func (w warn) markdown() string { return "> **" + escape(string(w)) + "**" }

// paragraph is running text.
type paragraph string

func (p paragraph) text(bool) string { return wrap(string(p), "") }

func (p paragraph) markdown() string { return escape(string(p)) }

// caption is a line above a table.
type caption string

func (c caption) text(bool) string { return wrap(string(c), "") }

func (c caption) markdown() string { return "**" + escape(string(c)) + "**" }

// code is something to type, such as a command line.
type code string

func (c code) text(bool) string { return wrap(string(c), "    ") }

func (c code) markdown() string { return "```\n" + string(c) + "\n```" }

// bullets is a list.
type bullets []string

func (b bullets) text(bool) string {
	return b.each(func(item string) string { return "- " + strings.TrimPrefix(wrap(item, "  "), "  ") })
}

func (b bullets) markdown() string {
	return b.each(func(item string) string { return "- " + escape(item) })
}

func (b bullets) each(render func(string) string) string {
	var lines []string
	for _, item := range b {
		lines = append(lines, render(oneLine(item)))
	}
	return strings.Join(lines, "\n")
}

// facts are names with their values; those without a value are left out.
type facts [][2]string

func (f facts) text(bool) string {
	width := 0
	for _, fact := range f {
		width = max(width, text.StringWidth(fact[0])+2)
	}
	var lines []string
	for _, fact := range f {
		if fact[1] != "" {
			indent := strings.Repeat(" ", width)
			lines = append(lines, text.Pad(fact[0], width, ' ')+strings.TrimPrefix(wrap(fact[1], indent), indent))
		}
	}
	return strings.Join(lines, "\n")
}

func (f facts) markdown() string {
	var lines []string
	for _, fact := range f {
		if fact[1] != "" {
			lines = append(lines, "- "+fact[0]+": "+escape(fact[1]))
		}
	}
	return strings.Join(lines, "\n")
}

// wide is a table that is laid out in one way for a terminal and in another for Markdown, which has no width.
type wide struct{ terminal, document block }

func (w wide) text(color bool) string { return w.terminal.text(color) }

func (w wide) markdown() string { return w.document.markdown() }

// grid is a table. The first left columns are text, the others are numbers and aligned to the right.
type grid struct {
	left   int
	fixed  int // columns that every part of a table too wide has, when there are more than left
	header []string
	rows   [][]string // a nil row is a line between groups
}

func (g grid) text(color bool) string {
	w := g.writer(lowered(g.header), func(s string) string { return s })
	style := table.Style{
		Box:     table.BoxStyle{MiddleHorizontal: "-", PaddingLeft: "  ", PaddingRight: "", PageSeparator: "\n"},
		Format:  table.FormatOptions{Header: text.FormatDefault, Row: text.FormatDefault},
		Options: table.Options{SeparateHeader: true},
	}
	if color {
		style.Color.Header = text.Colors{text.Bold}
	}
	w.SetStyle(style)
	lines := strings.Split(w.Render(), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.Join(lines, "\n")
}

// lowered takes the first line of a header away when it is empty in every column.
func lowered(header []string) []string {
	low := slices.Clone(header)
	for i, h := range header {
		rest, empty := strings.CutPrefix(h, "\n")
		if !empty && h != "" {
			return header
		}
		low[i] = rest
	}
	return low
}

func (g grid) markdown() string {
	header := make([]string, len(g.header))
	for i, h := range g.header {
		header[i] = strings.TrimPrefix(h, "\n") // alignment to the lower of two lines
	}
	return g.writer(header, escape).RenderMarkdown()
}

func (g grid) writer(header []string, cell func(string) string) table.Writer {
	w := table.NewWriter()
	w.SuppressTrailingSpaces()
	row := func(cells []string) table.Row {
		var r table.Row
		for _, c := range cells {
			r = append(r, cell(c))
		}
		return r
	}
	w.AppendHeader(row(header))
	for _, cells := range g.rows {
		if cells == nil {
			w.AppendSeparator()
		} else {
			w.AppendRow(row(cells))
		}
	}
	var configs []table.ColumnConfig
	for i := range g.header {
		align := text.AlignRight
		if i < g.left {
			align = text.AlignLeft
		}
		configs = append(configs, table.ColumnConfig{Number: i + 1, Align: align, AlignHeader: align})
	}
	w.SetColumnConfigs(configs)
	return w
}
