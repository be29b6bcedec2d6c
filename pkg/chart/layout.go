package chart

import (
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// layout is a chart whose every length is known: nothing is clipped because the canvas is made to fit the text.
type layout struct {
	bars          Bars
	styles        styles
	width, height vg.Length
	barWidth      vg.Length
	axisWidth     vg.Length // of the tick labels left of the bars

	title, subtitle, unit, footnote block
	labels                          []block
	limit                           float64 // upper end of the value axis
	ticks                           []plot.Tick
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
		l.axisWidth = max(l.axisWidth, l.styles.tick.Width(t.Label))
	}
	l.axisWidth += l.styles.tick.Width(" ") + labelPad
	bars := vg.Length(l.bars.seriesCount())
	pitch := max(valueWidth, minBarWidth) + barGap
	group := max(labelWidth, bars*pitch) + groupGap
	count := vg.Length(len(l.bars.Groups))
	l.width = max(minWidth, 2*margin+l.axisWidth+count*group, 2*margin+l.legendWidth())
	group = (l.width - 2*margin - l.axisWidth) / count
	l.barWidth = min(maxBarWidth, max((group-groupGap)/bars, pitch)-barGap)
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

// Vertical gaps in points between the parts of a chart.
const (
	subtitleGap vg.Length = 2
	plotGap     vg.Length = 14
	unitGap     vg.Length = 8
	labelGap    vg.Length = 8
)

func (l *layout) fitHeight() {
	text := l.width - 2*margin
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
	area := c
	area.Rectangle = vg.Rectangle{
		Min: vg.Point{X: x, Y: y - plotHeight},
		Max: vg.Point{X: c.Max.X - margin, Y: y},
	}
	l.plot().Draw(area)
	y = area.Min.Y - labelGap - l.labelHeight() - plotGap
	l.footnote.draw(c, x, y)
}

func (l *layout) drawLegend(c draw.Canvas, x, y vg.Length) {
	for i, name := range l.bars.Series {
		fillBox(c, seriesColor(i), box(x, y-legendBox, legendBox, legendBox))
		x += legendBox + labelPad
		c.FillText(l.styles.legend, vg.Point{X: x, Y: y + 2}, name)
		x += l.styles.legend.Width(name) + groupGap
	}
}

// plot sets up the axes; the labels below the bars are drawn by barPlotter because they may have several lines.
func (l *layout) plot() *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	p.HideX()
	p.X.Min, p.X.Max = -0.5, float64(len(l.bars.Groups))-0.5
	p.Y.Min, p.Y.Max = 0, l.limit
	p.Y.Padding = labelPad
	p.Y.LineStyle.Width = 0
	p.Y.Tick.LineStyle.Width = 0
	p.Y.Tick.Label = l.styles.tick
	p.Y.Tick.Label.XAlign = draw.XRight
	p.Y.Tick.Label.YAlign = -0.6 // the middle of a digit, which has no descender, on the grid line
	p.Y.Tick.Marker = plot.ConstantTicks(l.ticks)
	grid := plotter.NewGrid()
	grid.Vertical.Color = nil
	grid.Horizontal = draw.LineStyle{Color: gridColor(), Width: vg.Points(0.8)}
	p.Add(grid, barPlotter{l})
	return p
}
