package report

import (
	"fmt"
	"slices"
	"strings"

	"labctl/pkg/results"
)

// notes are the run's own notes and what its numbers cannot say themselves.
func notes(run *results.Run, d Document) []string {
	out := append([]string{}, run.Notes...)
	several, many := 0, false
	for _, w := range d.Workloads {
		many = many || slices.ContainsFunc(w.Cells, func(c Cell) bool { return c.Jobs > 1 })
		for _, c := range w.Cells {
			several = max(several, c.N)
		}
	}
	switch {
	case several > 1:
		out = append(out, "Numbers are medians over the blocks with their range; no test of significance was made.")
	case several == 1:
		out = append(out, "One trial per target and workload supports no statement about significance.")
	}
	if many {
		out = append(out, "Total is the sum over the jobs of one fio process: the work that was done. Per job is its mean over the jobs, "+
			"which is what the blog's charts show. The p99 latency of several jobs is the mean of the jobs' own percentiles.")
	}
	return append(out, versions(run)...)
}

// versions reports targets that were measured with different versions of fio, unless bench looked at the programs itself:
// its note says more.
func versions(run *results.Run) []string {
	if slices.ContainsFunc(run.Targets, func(t results.Target) bool { return t.Facts["fio_version"] != "" }) {
		return nil
	}
	byVersion := map[string][]string{}
	var order []string
	for _, t := range run.Trials {
		if !t.Valid() || t.Measures.FioVersion == "" {
			continue
		}
		v := t.Measures.FioVersion
		if byVersion[v] == nil {
			order = append(order, v)
		}
		if !slices.Contains(byVersion[v], t.Place()) {
			byVersion[v] = append(byVersion[v], t.Place())
		}
	}
	if len(order) < 2 {
		return nil
	}
	var parts []string
	for _, v := range order {
		parts = append(parts, fmt.Sprintf("%s on %s", v, strings.Join(byVersion[v], ", ")))
	}
	return []string{"The targets used different versions of fio: " + strings.Join(parts, "; ") + "."}
}
