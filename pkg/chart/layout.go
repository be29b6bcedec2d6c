package chart

import (
	"image/color"
	"slices"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// layout is a chart whose every length is known: nothing is clipped because the canvas is made to fit the text.
type layout struct {
	bars          Bars
	styles        styles
	width, height vg.Length
	barWidth      vg.Length
	whisker       vg.Length // width at the right of every bar that is left to the ranges
	axisWidth     vg.Length // of the tick labels left of the bars

	title, subtitle, unit, footnote block
	labels                          []block
	limit                           float64 // upper end of the value axis
	ticks                           []tick
}

func (b Bars) layout() (*layout, error) {
	if err := b.validate(); err != nil {
		return nil, err
	}
	l := &layout{bars: b, styles: newStyles()}
	top := 0.0
	for _, g := range b.Groups {
		for _, v := range g.Values {
			if !v.missing() {
				top = max(top, v.top())
			}
		}
	}
	l.limit, l.ticks = valueAxis(top)
	l.fitWidth()
	l.fitHeight()
	return l, nil
}

// fitWidth makes every group wide enough for its label and for the values printed above its bars.
func (l *layout) fitWidth() {
	label := l.styles.label
	label.XAlign = draw.XCenter
	var labelWidth, valueWidth vg.Length
	for _, g := range l.bars.Groups {
		wrapped := newBlock(label, g.Label, maxLabelWidth)
		l.labels = append(l.labels, wrapped)
		labelWidth = max(labelWidth, wrapped.width())
		for _, v := range g.Values {
			valueWidth = max(valueWidth, l.valueWidth(v))
		}
	}
	for _, t := range l.ticks {
		l.axisWidth = max(l.axisWidth, l.styles.tick.Width(t.label))
	}
	l.axisWidth += l.styles.tick.Width(" ") + labelPad
	bars := vg.Length(l.bars.seriesCount())
	if l.hasRanges() {
		l.whisker = whiskerCap + whiskerGap
	}
	pitch := max(valueWidth/narrow+l.whisker, minBarWidth) + barGap
	group := max(labelWidth, bars*pitch) + groupGap
	count := vg.Length(len(l.bars.Groups))
	l.width = max(minWidth, 2*margin+l.axisWidth+count*group, 2*margin+l.legendWidth())
	group = (l.width - 2*margin - l.axisWidth) / count
	l.barWidth = min(maxBarWidth, max((group-groupGap)/bars, pitch)-barGap)
}

func (l *layout) hasRanges() bool {
	return slices.ContainsFunc(l.bars.Groups, func(g Group) bool { return slices.ContainsFunc(g.Values, Value.hasRange) })
}

func (l *layout) valueWidth(v Value) vg.Length {
	txt, style := l.valueText(v)
	return style.Width(txt)
}

func (l *layout) valueText(v Value) (string, draw.TextStyle) {
	if v.missing() {
		return "no data", l.styles.noData
	}
	return Number(v.Height), l.styles.value
}

func (l *layout) legendWidth() vg.Length {
	var w vg.Length
	for _, name := range l.bars.Series {
		w += legendBox + labelPad + l.styles.legend.Width(name) + groupGap
	}
	return w
}

// narrow is the share of its place that text takes: whoever shows an SVG may have wider fonts.
const narrow = 0.86

// Vertical gaps in points between the parts of a chart.
const (
	subtitleGap vg.Length = 2
	plotGap     vg.Length = 14
	unitGap     vg.Length = 8
	labelGap    vg.Length = 8
)

func (l *layout) fitHeight() {
	text := (l.width - 2*margin) * narrow
	l.title = newBlock(l.styles.title, l.bars.Title, text)
	l.subtitle = newBlock(l.styles.subtitle, l.bars.Subtitle, text)
	l.unit = newBlock(l.styles.unit, l.bars.YLabel, text)
	l.footnote = newBlock(l.styles.footnote, l.bars.Footnote, text)
	l.height = 2*margin + l.title.height() + subtitleGap + l.subtitle.height() + plotGap +
		l.legendHeight() + l.unit.height() + unitGap + plotHeight + labelGap + l.labelHeight()
	if len(l.footnote.lines) > 0 {
		l.height += plotGap + l.footnote.height()
	}
}

func (l *layout) legendHeight() vg.Length {
	if len(l.bars.Series) == 0 {
		return 0
	}
	return l.styles.legend.Font.Size + plotGap
}

func (l *layout) labelHeight() vg.Length {
	var h vg.Length
	for _, label := range l.labels {
		h = max(h, label.height())
	}
	return h
}

func (l *layout) draw(c draw.Canvas) {
	c.SetColor(color.White)
	c.Fill(c.Rectangle.Path())
	x := c.Min.X + margin
	y := l.title.draw(c, x, c.Max.Y-margin) - subtitleGap
	y = l.subtitle.draw(c, x, y) - plotGap
	l.drawLegend(c, x, y)
	y = l.unit.draw(c, x, y-l.legendHeight()) - unitGap
	area := vg.Rectangle{
		Min: vg.Point{X: x + l.axisWidth, Y: y - plotHeight},
		Max: vg.Point{X: c.Max.X - margin, Y: y},
	}
	l.drawAxis(c, area)
	l.drawBars(c, area)
	y = area.Min.Y - labelGap - l.labelHeight() - plotGap
	l.footnote.draw(c, x, y)
}

func (l *layout) drawLegend(c draw.Canvas, x, y vg.Length) {
	for i, name := range l.bars.Series {
		fillBox(c, seriesColor(i), box(x, y-legendBox, legendBox, legendBox))
		x += legendBox + labelPad
		put(c, l.styles.legend, vg.Point{X: x, Y: y + 2}, name)
		x += l.styles.legend.Width(name) + groupGap
	}
}
