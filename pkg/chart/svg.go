package chart

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// fontStack names fonts with the metrics of Liberation Sans, which most machines that show an SVG do not have:
// without it a browser falls back to a wider serif font and text runs out of its place.
const fontStack = "font-family:'Liberation Sans',Arial,Helvetica,sans-serif;"

// svgCanvas is an SVG that remembers how its texts are aligned: what draws them turns every alignment into a left edge.
type svgCanvas struct {
	*vgsvg.Canvas
	next    anchor
	anchors []anchor // of the texts, in their order
}

// anchor is the alignment of a text and its width in the font that it was laid out in.
type anchor struct {
	align draw.XAlignment
	width vg.Length
}

// FillString draws one text.
func (c *svgCanvas) FillString(f font.Face, at vg.Point, text string) {
	c.anchors = append(c.anchors, c.next)
	c.next = anchor{}
	c.Canvas.FillString(f, at, text)
}

var textStart = regexp.MustCompile(`<text x="([^"]+)"`)

// anchored aligns the texts of an SVG by their middle or their end, where they were laid out so.
func (c *svgCanvas) anchored(svg []byte) []byte {
	n := -1
	return textStart.ReplaceAllFunc(svg, func(start []byte) []byte {
		n++
		left, err := strconv.ParseFloat(string(textStart.FindSubmatch(start)[1]), 64)
		if err != nil || n >= len(c.anchors) {
			return start
		}
		a := c.anchors[n]
		switch a.align {
		case draw.XCenter:
			return fmt.Appendf(nil, `<text text-anchor="middle" x="%.5g"`, left+float64(a.width)/2)
		case draw.XRight:
			return fmt.Appendf(nil, `<text text-anchor="end" x="%.5g"`, left+float64(a.width))
		default:
			return start
		}
	})
}

// writeSVG writes the canvas with portable fonts and with the numbers as text for screen readers.
func writeSVG(w io.Writer, canvas *svgCanvas, b Bars) error {
	var raw bytes.Buffer
	if _, err := canvas.WriteTo(&raw); err != nil {
		return err
	}
	svg := bytes.ReplaceAll(canvas.anchored(raw.Bytes()), []byte("font-family:Liberation Sans;"), []byte(fontStack))
	head, rest, found := bytes.Cut(svg, []byte("xmlns:xlink=\"http://www.w3.org/1999/xlink\">\n"))
	if !found {
		return fmt.Errorf("no root element in %d bytes of SVG", len(svg))
	}
	_, err := fmt.Fprintf(w, "%sxmlns:xlink=\"http://www.w3.org/1999/xlink\" role=\"img\">\n<title>%s</title>\n<desc>%s</desc>\n%s",
		head, escape(b.Title), escape(b.description()), rest)
	return err
}

// description lists the chart's numbers: "IOPS: pve 29 337; 2gb no data".
func (b Bars) description() string {
	var groups []string
	for _, g := range b.Groups {
		text := g.Label
		for i, v := range g.Values {
			if len(b.Series) > 0 {
				text += " " + b.Series[i]
			}
			if v.missing() {
				text += " no data"
			} else {
				text += " " + Number(v.Height)
			}
		}
		groups = append(groups, text)
	}
	return b.YLabel + ": " + strings.Join(groups, "; ")
}

func escape(s string) string {
	var buf bytes.Buffer
	if err := xml.EscapeText(&buf, []byte(s)); err != nil {
		return "" // a bytes.Buffer never fails
	}
	return buf.String()
}
