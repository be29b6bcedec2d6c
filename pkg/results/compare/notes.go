package compare

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"labctl/pkg/results"
	"labctl/pkg/results/baseline"
)

// Warning is what must be read before any number of a run: that its files are not as they were written, and that it was
// not measured on a real Proxmox VE.
func Warning(run *results.Run) string {
	damage := damageWarning(run)
	sandbox := sandboxWarning(run)
	if damage == "" || sandbox == "" {
		return damage + sandbox
	}
	return damage + " " + sandbox
}

// maxNamed is how many damaged files are named; `labctl results verify` names all.
const maxNamed = 3

func damageWarning(run *results.Run) string {
	if len(run.Damage) == 0 {
		return ""
	}
	var named []string
	for _, d := range run.Damage[:min(len(run.Damage), maxNamed)] {
		named = append(named, filepath.Base(d.Path)+" "+d.Problem)
	}
	text := fmt.Sprintf("DAMAGED: %d file(s) of run %s are not as they were written: %s", len(run.Damage), run.ID, strings.Join(named, "; "))
	if len(run.Damage) > maxNamed {
		text += "; and more"
	}
	return text + "."
}

func sandboxWarning(run *results.Run) string {
	switch run.Provenance.Sandbox {
	case "":
		return ""
	case "host":
		return "SANDBOX: host processes, not virtual machines: the numbers say nothing about VMs."
	case "qemu":
		return "SANDBOX: virtual machines on one machine beside everything else, mostly emulated: the numbers say nothing about a Proxmox VE."
	default:
		return "SANDBOX (" + run.Provenance.Sandbox + "): a simulated Proxmox VE: the numbers say nothing about a real one."
	}
}

func warningOf(a, b Selection) string {
	wa, wb := Warning(a.Run), Warning(b.Run)
	switch {
	case wa == wb:
		return wa
	case wb == "":
		return "A is " + wa
	case wa == "":
		return "B is " + wb
	default:
		return "A is " + wa + " B is " + wb
	}
}

// notes collects what the numbers cannot say themselves.
func notes(c Comparison, a, b Selection) []string {
	out := []string{"Workloads with I/O of at most 16 KiB on average are compared in IOPS, larger ones in MiB/s; " +
		"with several fio jobs the numbers are totals over the jobs."}
	out = append(out, repetition(c, baseline.IsBlog(a.Run) && baseline.IsBlog(b.Run))...)
	for _, s := range []Selection{a, b} {
		if s.Run.Status == results.StatusInterrupted || s.Run.Status == results.StatusFailed || s.Run.Status == results.StatusRunning {
			out = append(out, fmt.Sprintf("Run %s is not complete (%s).", s.Run.ID, s.Run.Status))
		}
	}
	out = append(out, versions(a, b)...)
	return append(out, commandLines(a.Run, b.Run)...)
}

// repetition says how much the number of blocks supports. The noise is that of the blog author's machine, and is said of
// his runs only.
func repetition(c Comparison, blog bool) []string {
	noise := "How far results scatter from run to run is not known here: measure several blocks."
	if blog {
		noise = baseline.Noise()
	}
	switch low, high := c.Repetitions(); {
	case high == 0:
		return []string{"There is nothing to compare: neither side has a result."}
	case high == 1:
		return []string{"One run each supports no statement about significance. " + noise}
	case low == 1:
		return []string{fmt.Sprintf("Numbers are medians over %d blocks with their range; those over fewer are marked. Some rest on a "+
			"single trial, which supports no statement about significance. ", high) + noise}
	default:
		return []string{fmt.Sprintf("Numbers are medians over %d blocks with their range; those over fewer are marked. "+
			"No test of significance was made.", high)}
	}
}

// Repetitions is the lowest and the highest number of trials behind a number; 0 when there is none.
func (c Comparison) Repetitions() (low, high int) {
	for _, w := range c.Workloads {
		for _, r := range w.Rows {
			for _, s := range []*Sample{r.A.Sample, r.B.Sample} {
				if s != nil && (low == 0 || s.N < low) {
					low = s.N
				}
				if s != nil {
					high = max(high, s.N)
				}
			}
		}
	}
	return low, high
}

// versions reports fio versions that differ between what is compared.
func versions(a, b Selection) []string {
	va, vb := fioVersions(a), fioVersions(b)
	if len(va) == 0 || len(vb) == 0 || slices.Equal(va, vb) {
		return nil
	}
	return []string{fmt.Sprintf("The sides used different versions of fio: A %s, B %s.", strings.Join(va, ", "), strings.Join(vb, ", "))}
}

func fioVersions(s Selection) []string {
	var seen []string
	for _, t := range s.Run.Trials {
		if t.Valid() && (s.Target == "" || s.Target == t.Place()) && t.Measures.FioVersion != "" {
			seen = append(seen, t.Measures.FioVersion)
		}
	}
	slices.Sort(seen)
	return slices.Compact(seen)
}

// commandLines reports workloads that share a name and not a job.
func commandLines(a, b *results.Run) []string {
	var differ []string
	for _, wa := range a.Workloads {
		for _, wb := range b.Workloads {
			if wa.Name == wb.Name && wa.CommandLine != wb.CommandLine && wa.CommandLine != "" && wb.CommandLine != "" {
				differ = append(differ, wa.Name)
			}
		}
	}
	if len(differ) == 0 {
		return nil
	}
	return []string{"Not the same fio job on both sides: " + strings.Join(differ, ", ") + "."}
}
