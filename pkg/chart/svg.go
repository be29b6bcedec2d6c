package chart

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"gonum.org/v1/plot/vg/vgsvg"
)

// fontStack names fonts with the metrics of Liberation Sans, which most machines that show an SVG do not have:
// without it a browser falls back to a wider serif font and text runs out of its place.
const fontStack = "font-family:'Liberation Sans',Arial,Helvetica,sans-serif;"

// writeSVG writes the canvas with portable fonts and with the numbers as text for screen readers.
func writeSVG(w io.Writer, canvas *vgsvg.Canvas, b Bars) error {
	var raw bytes.Buffer
	if _, err := canvas.WriteTo(&raw); err != nil {
		return err
	}
	svg := bytes.ReplaceAll(raw.Bytes(), []byte("font-family:Liberation Sans;"), []byte(fontStack))
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
