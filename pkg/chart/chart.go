// Package chart draws bar charts of benchmark results as SVG or PNG.
//
// The value axis always begins at zero, every bar carries its number, and a bar without a result says so instead
// of looking like a zero. The same input gives the same bytes, so that charts can be kept in version control and
// compared by hash.
package chart

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// ErrEmpty reports a chart without a single bar to draw.
var ErrEmpty = errors.New("chart has no bars")

// Bars is one bar chart: a group of bars per label, all in one unit.
type Bars struct {
	Title    string
	Subtitle string // below the title; empty = none
	YLabel   string // what the numbers are, with their unit, such as "MiB/s"
	Footnote string // below the chart; line breaks are kept; empty = none
	// Series names the bars within each group, for the legend. Empty when every group has one bar.
	Series []string
	Groups []Group
}

// Group is the bars of one label, such as one target, in the order of Bars.Series.
type Group struct {
	Label  string
	Values []Value
}

// Value is the height of one bar and, where several measurements stand behind it, the range they cover.
type Value struct {
	Height    float64 // in the unit of Bars.YLabel; NaN = no data
	Low, High float64 // drawn as a whisker when Low < High
}

// At returns a value that a single measurement stands behind.
func At(height float64) Value { return Value{Height: height} }

// NoData returns the value of a bar without a result.
func NoData() Value { return Value{Height: math.NaN()} }

func (v Value) missing() bool  { return math.IsNaN(v.Height) }
func (v Value) hasRange() bool { return !v.missing() && v.Low < v.High }
func (v Value) top() float64   { return max(v.Height, v.High) }
func (g Group) missing() bool {
	return !slices.ContainsFunc(g.Values, func(v Value) bool { return !v.missing() })
}
func (b Bars) seriesCount() int { return max(1, len(b.Series)) }

// WriteSVG draws the chart as an SVG document.
func (b Bars) WriteSVG(w io.Writer) error {
	lay, err := b.layout()
	if err != nil {
		return err
	}
	canvas := &svgCanvas{Canvas: vgsvg.New(lay.width, lay.height)}
	lay.draw(draw.New(canvas))
	if err := writeSVG(w, canvas, b); err != nil {
		return fmt.Errorf("writing chart %q as SVG: %w", b.Title, err)
	}
	return nil
}

// pngDPI gives two pixels per point, so that text stays sharp on dense screens.
const pngDPI = 144

// WritePNG draws the chart as a PNG image.
func (b Bars) WritePNG(w io.Writer) error {
	lay, err := b.layout()
	if err != nil {
		return err
	}
	canvas := vgimg.NewWith(vgimg.UseWH(lay.width, lay.height), vgimg.UseDPI(pngDPI))
	lay.draw(draw.New(canvas))
	if _, err := (vgimg.PngCanvas{Canvas: canvas}).WriteTo(w); err != nil {
		return fmt.Errorf("writing chart %q as PNG: %w", b.Title, err)
	}
	return nil
}

// validate refuses what cannot be drawn truthfully: nothing at all, ragged groups, and numbers below the zero
// line or beyond every axis.
func (b Bars) validate() error {
	if len(b.Groups) == 0 {
		return fmt.Errorf("drawing chart %q: %w", b.Title, ErrEmpty)
	}
	for _, g := range b.Groups {
		if len(g.Values) != b.seriesCount() {
			return fmt.Errorf("drawing chart %q: %q has %d bars, want %d", b.Title, g.Label, len(g.Values), b.seriesCount())
		}
		for _, v := range g.Values {
			if v.Height < 0 || v.Low < 0 || math.IsInf(v.top(), 0) {
				return fmt.Errorf("drawing chart %q: %q has a value that is negative or infinite", b.Title, g.Label)
			}
		}
	}
	return nil
}
