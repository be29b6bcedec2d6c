package chart

import (
	"image/color"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/font/liberation"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Lengths in points.
const (
	margin        vg.Length = 24
	minWidth      vg.Length = 640
	plotHeight    vg.Length = 300
	maxBarWidth   vg.Length = 72
	minBarWidth   vg.Length = 26
	barGap        vg.Length = 6   // between the bars of one group, and at least between two printed values
	groupGap      vg.Length = 28  // at least between two groups
	maxLabelWidth vg.Length = 120 // target names are wrapped to this width
	labelPad      vg.Length = 5   // between a bar and its value
	legendBox     vg.Length = 11
	whiskerCap    vg.Length = 9
	whiskerGap    vg.Length = 4 // between a value and the range beside it
)

// Colours. Series colours are Okabe and Ito's, which people with any kind of colour blindness can tell apart;
// greys on white have a contrast of at least 5:1 wherever they carry text.
func inkColor() color.Color      { return color.RGBA{R: 0x1f, G: 0x23, B: 0x28, A: 0xff} }
func mutedColor() color.Color    { return color.RGBA{R: 0x59, G: 0x60, B: 0x68, A: 0xff} }
func gridColor() color.Color     { return color.RGBA{R: 0xe4, G: 0xe7, B: 0xea, A: 0xff} }
func baselineColor() color.Color { return color.RGBA{R: 0x8c, G: 0x93, B: 0x9a, A: 0xff} }

func seriesColor(i int) color.Color {
	palette := [...]color.RGBA{
		{R: 0x00, G: 0x72, B: 0xb2, A: 0xff}, // blue
		{R: 0xe6, G: 0x9f, B: 0x00, A: 0xff}, // orange
		{R: 0x00, G: 0x9e, B: 0x73, A: 0xff}, // bluish green
		{R: 0xcc, G: 0x79, B: 0xa7, A: 0xff}, // reddish purple
	}
	return palette[i%len(palette)]
}

// styles are the text styles of one chart, over one font cache.
type styles struct {
	title, subtitle, legend, unit, tick, value, noData, label, footnote draw.TextStyle
}

// newStyles uses Liberation Sans, which is compiled in: text has the same widths on every machine.
func newStyles() styles {
	handler := text.Plain{Fonts: font.NewCache(liberation.Collection())}
	style := func(size vg.Length, weight xfont.Weight, c color.Color) draw.TextStyle {
		return draw.TextStyle{
			Color:   c,
			Font:    font.Font{Typeface: "Liberation", Variant: "Sans", Weight: weight, Size: size},
			XAlign:  draw.XLeft,
			YAlign:  draw.YTop,
			Handler: handler,
		}
	}
	return styles{
		title:    style(18, xfont.WeightBold, inkColor()),
		subtitle: style(12, xfont.WeightNormal, mutedColor()),
		legend:   style(11.5, xfont.WeightNormal, inkColor()),
		unit:     style(11.5, xfont.WeightNormal, mutedColor()),
		tick:     style(11, xfont.WeightNormal, mutedColor()),
		value:    style(12, xfont.WeightBold, inkColor()),
		noData:   style(11.5, xfont.WeightNormal, mutedColor()),
		label:    style(12.5, xfont.WeightNormal, inkColor()),
		footnote: style(10.5, xfont.WeightNormal, mutedColor()),
	}
}
