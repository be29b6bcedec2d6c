package chart

import (
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// barPlotter draws the bars, the value above each, the base line and the labels below it.
type barPlotter struct{ *layout }

// Plot implements plot.Plotter.
func (b barPlotter) Plot(c draw.Canvas, p *plot.Plot) {
	toX, toY := p.Transforms(&c)
	zero := toY(0)
	for i, g := range b.bars.Groups {
		center := toX(float64(i))
		pitch := b.barWidth + barGap
		left := center - (vg.Length(len(g.Values))*pitch-barGap)/2
		if g.missing() {
			b.print(c, NoData(), center, zero)
		} else {
			for s, v := range g.Values {
				b.bar(c, seriesColor(s), v, left+vg.Length(s)*pitch, toY)
			}
		}
		b.labels[i].draw(c, center, zero-labelGap)
	}
	c.StrokeLine2(draw.LineStyle{Color: baselineColor(), Width: vg.Points(1.2)}, c.Min.X, zero, c.Max.X, zero)
}

// bar draws one bar whose left edge is at x, or "no data" in its place when its neighbours have some.
func (b barPlotter) bar(c draw.Canvas, fill color.Color, v Value, x vg.Length, toY func(float64) vg.Length) {
	middle, top := x+b.barWidth/2, toY(0)
	if !v.missing() {
		fillBox(c, fill, box(x, top, b.barWidth, toY(v.Height)-top))
		top = toY(v.Height)
	}
	if v.hasRange() {
		whisker(c, middle, toY(v.Low), toY(v.High))
		top = toY(v.top())
	}
	b.print(c, v, middle, top)
}

// print writes the value above y, on white so that no grid line strikes it through.
func (b barPlotter) print(c draw.Canvas, v Value, x, y vg.Length) {
	txt, style := b.valueText(v)
	style.XAlign, style.YAlign = draw.XCenter, draw.YBottom
	half, size := style.Width(txt)/2, style.Font.Size
	fillBox(c, color.White, box(x-half-1, y+labelPad, 2*half+2, size))
	c.FillText(style, vg.Point{X: x, Y: y + labelPad}, txt)
}

// whisker draws the range of the measurements behind a bar.
func whisker(c draw.Canvas, x, low, high vg.Length) {
	line := draw.LineStyle{Color: inkColor(), Width: vg.Points(1.3)}
	c.StrokeLine2(line, x, low, x, high)
	for _, y := range []vg.Length{low, high} {
		c.StrokeLine2(line, x-whiskerCap/2, y, x+whiskerCap/2, y)
	}
}

// box is the rectangle of this size whose lower left corner is at x, y.
func box(x, y, width, height vg.Length) vg.Rectangle {
	return vg.Rectangle{Min: vg.Point{X: x, Y: y}, Max: vg.Point{X: x + width, Y: y + height}}
}

func fillBox(c draw.Canvas, fill color.Color, r vg.Rectangle) {
	c.FillPolygon(fill, []vg.Point{r.Min, {X: r.Min.X, Y: r.Max.Y}, r.Max, {X: r.Max.X, Y: r.Min.Y}})
}
