package chart

import (
	"math"
	"strconv"
	"strings"
)

// Fixed formats a number for reading, with the given number of decimals and a space between groups of three
// digits: 13530.2 is "13 530" with none. A magnitude that rounds to zero has no sign.
func Fixed(v float64, decimals int) string {
	s := strconv.FormatFloat(math.Abs(v), 'f', decimals, 64)
	whole, fraction, _ := strings.Cut(s, ".")
	var b strings.Builder
	if v < 0 && strings.Trim(s, "0.") != "" {
		b.WriteByte('-')
	}
	for i, digit := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(digit)
	}
	if fraction != "" {
		b.WriteByte('.')
		b.WriteString(fraction)
	}
	return b.String()
}

// Decimals returns how many decimals a number needs to show at least four digits: none from 1000 up, one from
// 100, two from 10, three below.
func Decimals(v float64) int {
	switch v = math.Abs(v); {
	case v == 0 || v >= 999.95:
		return 0
	case v >= 99.995:
		return 1
	case v >= 9.9995:
		return 2
	case v >= 0.001:
		return 3
	default:
		return 6
	}
}

// Number formats a number for reading with the decimals it needs.
func Number(v float64) string { return Fixed(v, Decimals(v)) }
