package report

import (
	"fmt"
	"slices"
	"strings"

	"labctl/pkg/results"
	"labctl/pkg/results/baseline"
	"labctl/pkg/results/measure"
)

// notes are the run's own notes and what its numbers cannot say themselves.
func notes(run *results.Run, d Document) []string {
	out := append([]string{}, run.Notes...)
	if len(run.PassedOver) > 0 {
		out = append(out, fmt.Sprintf("A newer labctl wrote %d file(s) of this run, which are passed over: %s.", len(run.PassedOver), strings.Join(run.PassedOver, ", ")))
	}
	several := 0
	for _, w := range d.Workloads {
		for _, c := range w.Cells {
			several = max(several, c.N)
		}
	}
	switch {
	case several > 1:
		out = append(out, "Numbers are medians over the blocks, each with its own range; no test of significance was made.")
	case several == 1:
		out = append(out, "One trial per target and workload supports no statement about significance.")
	}
	out = append(out, aboutJobs(d)...)
	out = append(out, aboutBest(d)...)
	if baseline.IsBlog(run) {
		out = append(out, baseline.Noise())
	}
	out = append(out, findings(run)...)
	return append(out, versions(run)...)
}

// aboutJobs says what numbers of several jobs are.
func aboutJobs(d Document) []string {
	many, byJob, convention := false, false, false
	for _, w := range d.Workloads {
		for _, c := range w.Cells {
			many = many || c.Jobs > 1
			for direction, reasons := range c.Unknown {
				for id, why := range reasons {
					byJob = byJob || why.JobsMin.IsKnown() && c.Measures[direction][id] == nil && id != measure.ClatP99
				}
			}
			for _, metrics := range c.Measures {
				convention = convention || metrics[measure.ClatP99Convention] != nil
			}
		}
	}
	var out []string
	if many {
		out = append(out, "Total is the sum over the jobs of one fio process: the work that was done. Per job is its mean over the jobs, "+
			"which is what the blog's charts show.")
	}
	if convention {
		out = append(out, "The p99 latency of several jobs is the mean of the jobs' own percentiles here, a convention and not a percentile of anything.")
	}
	if byJob {
		out = append(out, "\"By job\" is the range of the jobs' own percentiles: a common one needs fio's histograms (json+).")
	}
	return out
}

// aboutBest puts the doubt beside the blog's claim.
func aboutBest(d Document) []string {
	for _, w := range d.Workloads {
		if w.BestVM != nil {
			return []string{"\"Best VM\" is the blog's claim: the largest of several guests against one host, files in a guest against files on the host. " +
				"It is not what virtualization costs."}
		}
	}
	return nil
}

// findings are what rules say about the trials. The trials of a workload that a rule says the same about share a line.
func findings(run *results.Run) []string {
	type same struct {
		workload string
		results.Finding
	}
	places := map[same][]string{}
	var order []same
	for _, t := range run.Counting() {
		for _, f := range t.Findings {
			key := same{t.Workload, f}
			if places[key] == nil {
				order = append(order, key)
			}
			if !slices.Contains(places[key], t.Place()) {
				places[key] = append(places[key], t.Place())
			}
		}
	}
	var out []string
	for _, key := range order {
		out = append(out, fmt.Sprintf("%s (%s) on %s: %s: %s.", strings.ToUpper(string(key.Severity[:1]))+string(key.Severity[1:]), key.Rule,
			strings.Join(places[key], ", "), key.workload, key.Evidence))
	}
	return out
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
