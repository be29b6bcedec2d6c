package measure

import (
	"cmp"
	"slices"

	"labctl/pkg/fio"
)

// histogram is the completion times of several jobs, ascending by Ns.
type histogram struct {
	bins    []fio.Bin
	samples int64
}

// merge adds histograms up; false says that one of the latencies has none.
func merge(all []fio.Latency) (histogram, bool) {
	counts := map[int64]int64{}
	var h histogram
	for _, l := range all {
		if len(l.Bins) == 0 {
			return histogram{}, false
		}
		for _, bin := range l.Bins {
			counts[bin.Ns] += bin.Count
			h.samples += bin.Count
		}
	}
	for ns, n := range counts {
		h.bins = append(h.bins, fio.Bin{Ns: ns, Count: n})
	}
	slices.SortFunc(h.bins, func(a, b fio.Bin) int { return cmp.Compare(a.Ns, b.Ns) })
	return h, true
}

// percentile is the first bin at which the percentage of the samples is reached, as fio itself computes it
// (calc_clat_percentiles in fio's stat.c).
func (h histogram) percentile(percent float64) int64 {
	var seen int64
	for _, bin := range h.bins {
		seen += bin.Count
		if float64(seen) >= percent/100*float64(h.samples) {
			return bin.Ns
		}
	}
	return 0
}
