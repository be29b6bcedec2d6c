package chart

import (
	"image/color"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// valueY is where a value stands above the base line of the area.
func (l *layout) valueY(area vg.Rectangle, value float64) vg.Length {
	return area.Min.Y + vg.Length(value/l.limit)*(area.Max.Y-area.Min.Y)
}

// drawAxis draws the grid lines and their labels.
func (l *layout) drawAxis(c draw.Canvas, area vg.Rectangle) {
	line := draw.LineStyle{Color: gridColor(), Width: vg.Points(0.8)}
	style := l.styles.tick
	style.XAlign, style.YAlign = draw.XRight, digitMiddle
	for _, t := range l.ticks {
		y := l.valueY(area, t.value)
		c.StrokeLine2(line, area.Min.X, y, area.Max.X, y)
		put(c, style, vg.Point{X: area.Min.X - labelPad, Y: y}, t.label)
	}
}

// digitMiddle puts the middle of a digit, which has no descender, on a line.
const digitMiddle = -0.6

// drawBars draws the bars, the value of each, the base line and the labels below it.
func (l *layout) drawBars(c draw.Canvas, area vg.Rectangle) {
	width := (area.Max.X - area.Min.X) / vg.Length(len(l.bars.Groups))
	for i, g := range l.bars.Groups {
		center := area.Min.X + width*(vg.Length(i)+0.5)
		pitch := l.barWidth + barGap
		left := center - (vg.Length(len(g.Values))*pitch-barGap)/2
		if g.missing() {
			l.print(c, NoData(), center, area.Min.Y)
		} else {
			for s, v := range g.Values {
				l.drawBar(c, area, seriesColor(s), v, left+vg.Length(s)*pitch)
			}
		}
		l.labels[i].draw(c, center, area.Min.Y-labelGap)
	}
	c.StrokeLine2(draw.LineStyle{Color: baselineColor(), Width: vg.Points(1.2)}, area.Min.X, area.Min.Y, area.Max.X, area.Min.Y)
}

// drawBar draws one bar whose left edge is at x, or "no data" in its place when its neighbours have some. The number
// stands at its own value; the range, which may end above or below it, has a place at the right of the bar.
func (l *layout) drawBar(c draw.Canvas, area vg.Rectangle, fill color.Color, v Value, x vg.Length) {
	if v.missing() {
		l.print(c, v, x+l.barWidth/2, area.Min.Y)
		return
	}
	top := l.valueY(area, v.Height)
	fillBox(c, fill, box(x, area.Min.Y, l.barWidth, top-area.Min.Y))
	middle := x + l.barWidth/2
	if v.hasRange() {
		middle -= l.whisker / 2
	}
	l.print(c, v, middle, top)
	if v.hasRange() {
		whisker(c, x+l.barWidth-whiskerCap/2-1, l.valueY(area, v.Low), l.valueY(area, v.High))
	}
}

// print writes the value above y, on white so that no grid line strikes it through.
func (l *layout) print(c draw.Canvas, v Value, x, y vg.Length) {
	txt, style := l.valueText(v)
	style.XAlign, style.YAlign = draw.XCenter, draw.YBottom
	half, size := style.Width(txt)/2, style.Font.Size
	fillBox(c, color.White, box(x-half-1, y+labelPad, 2*half+2, size))
	put(c, style, vg.Point{X: x, Y: y + labelPad}, txt)
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
