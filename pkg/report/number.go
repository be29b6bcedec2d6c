package report

import (
	"math"
	"strconv"
	"strings"
	"time"

	"labctl/pkg/chart"
)

// column formats the numbers of one column with the same number of decimals, so that they align: as many as the
// smallest needs for four digits, but no more than six digits for the largest.
func column(values []float64) func(float64) string {
	const digits = 6
	smallest, largest := math.Inf(1), 0.0
	for _, v := range values {
		if v = math.Abs(v); v > 0 {
			smallest, largest = min(smallest, v), max(largest, v)
		}
	}
	decimals := 0
	if largest > 0 {
		whole := len(strconv.FormatFloat(math.Floor(largest), 'f', 0, 64))
		decimals = min(chart.Decimals(smallest), max(0, digits-whole))
	}
	return func(v float64) string { return chart.Fixed(v, decimals) }
}

// percent is a change with its sign: "+5.2 %".
func percent(v float64) string {
	s := chart.Fixed(v, 1) + " %"
	if !strings.HasPrefix(s, "-") && s != "0.0 %" {
		s = "+" + s
	}
	return s
}

// seconds is a duration for reading: "1h 2m 5s", "40s", "0.25s".
func seconds(s float64) string {
	if s < 10 {
		return strconv.FormatFloat(math.Round(s*100)/100, 'f', -1, 64) + "s"
	}
	d := time.Duration(math.Round(s)) * time.Second
	text := strings.NewReplacer("h", "h ", "m", "m ").Replace(d.String())
	return strings.TrimSuffix(strings.TrimSuffix(text, " 0s"), " 0m")
}

// period is when something happened, in UTC: "2023-08-23 13:54 to 15:00 UTC".
func period(from, to time.Time) string {
	const day, minute = "2006-01-02", "15:04"
	from, to = from.UTC(), to.UTC()
	switch {
	case from.IsZero() && to.IsZero():
		return ""
	case from.IsZero() || to.IsZero() || !to.After(from):
		if from.IsZero() {
			from = to
		}
		return from.Format(day+" "+minute) + " UTC"
	case from.Format(day) == to.Format(day):
		return from.Format(day+" "+minute) + " to " + to.Format(minute) + " UTC"
	default:
		return from.Format(day+" "+minute) + " to " + to.Format(day+" "+minute) + " UTC"
	}
}
