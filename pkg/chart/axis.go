package chart

import "math"

// tick is one labelled value of the axis.
type tick struct {
	value float64
	label string
}

// valueAxis returns an axis from zero that holds top with room for a printed value above it: three to six steps
// of 1, 2, 2.5 or 5 times a power of ten. Without anything to measure the axis has its zero only.
func valueAxis(top float64) (limit float64, ticks []tick) {
	const (
		steps    = 6
		headroom = 1.09 // the value printed above the highest bar
	)
	if top <= 0 {
		return 1, []tick{{0, "0"}}
	}
	limit = top * headroom
	step := niceStep(top / steps)
	decimals := stepDecimals(step)
	for i := 0; float64(i)*step <= limit; i++ {
		v := float64(i) * step
		ticks = append(ticks, tick{v, Fixed(v, decimals)})
	}
	return limit, ticks
}

// niceStep rounds a positive step up to 1, 2, 2.5 or 5 times a power of ten.
func niceStep(raw float64) float64 {
	magnitude := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, m := range []float64{1, 2, 2.5, 5} {
		if raw <= m*magnitude*(1+1e-9) {
			return m * magnitude
		}
	}
	return 10 * magnitude
}

// stepDecimals returns how many decimals multiples of a nice step need.
func stepDecimals(step float64) int {
	for d := range 12 {
		scaled := step * math.Pow10(d)
		if math.Abs(scaled-math.Round(scaled)) < 1e-6*scaled {
			return d
		}
	}
	return 12
}
