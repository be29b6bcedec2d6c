package report

import (
	"fmt"
	"strings"

	"labctl/pkg/results"
)

// runPage lays a run out: what it is, the headline numbers, every workload in full, what went wrong, what it cost.
func runPage(d Document) page {
	p := page{heading{1, "Run " + d.Run.ID}, runFacts(d)}
	if d.Warning != "" {
		p = append(p, warn(d.Warning))
	}
	p = append(p, heading{2, "Overview"})
	if len(d.Workloads) == 0 {
		p = append(p, paragraph("Nothing was run."))
	} else {
		p = append(p, overviews(d)...)
	}
	for _, w := range d.Workloads {
		p = append(p, heading{2, w.Name})
		if w.CommandLine != "" {
			p = append(p, code(w.CommandLine))
		}
		p = append(p, details(d, w)...)
	}
	if len(d.Failures) > 0 {
		p = append(p, heading{2, "Failed trials"}, bullets(failureLines(d.Failures)))
	}
	if len(d.Targets) > 0 {
		p = append(p, heading{2, "Environment"}, environment(d))
	}
	return append(p, heading{2, "Notes"}, bullets(closing(d)))
}

func runFacts(d Document) facts {
	r := d.Run
	status := string(r.Status)
	if r.Missing > 0 {
		status += fmt.Sprintf(", %d of %d trials are missing", r.Missing, r.Planned)
	}
	if r.StatusReason != "" {
		status += ": " + oneLine(r.StatusReason)
	}
	plan := ""
	if r.Kind == results.KindMeasured && r.Blocks > 0 {
		plan = join(", ", fmt.Sprintf("%d, seed %d", r.Blocks, r.Seed), "rest "+seconds(r.RestSeconds), prefixed("files ", r.FilePolicy))
	}
	return facts{
		{"Title", r.Title},
		{"Lab", join(", ", r.Lab, prefixed("suite ", r.Suite))},
		{"Status", join(", ", string(r.Kind), status)},
		{"When", period(r.Created, r.Finished)},
		{"Proxmox VE", join(", ", r.PVEVersion, prefixed("node ", r.PVENode), r.Server)},
		{"Blocks", plan},
		{"Source", r.Source},
		{"labctl", r.LabctlVersion},
	}
}

// closing is the notes, the cost of the run and where its raw data is.
func closing(d Document) []string {
	out := append([]string{}, d.Notes...)
	if o := d.Overhead; o != nil {
		out = append(out, fmt.Sprintf("Overhead: %s wall - %s fio - %s rest = %s, %.1f %% of fio and rest.",
			seconds(o.WallSeconds), seconds(o.FioSeconds), seconds(o.RestSeconds), seconds(o.HarnessSeconds), o.HarnessPercent))
	}
	if d.RawDir != "" {
		out = append(out, "Raw fio output: "+d.RawDir)
	}
	return out
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

func join(separator string, parts ...string) string {
	var present []string
	for _, p := range parts {
		if p != "" {
			present = append(present, p)
		}
	}
	return strings.Join(present, separator)
}
