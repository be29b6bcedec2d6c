package compare

import (
	"fmt"
	"slices"
	"strings"

	"labctl/pkg/results"
)

// SandboxWarning is what must be read before any number of a run; empty for a run on a real Proxmox VE.
func SandboxWarning(run *results.Run) string {
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

func sandboxWarning(a, b Selection) string {
	wa, wb := SandboxWarning(a.Run), SandboxWarning(b.Run)
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
	out = append(out, repetition(c, results.IsBlog(a.Run) && results.IsBlog(b.Run))...)
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
		noise = results.BlogNoise()
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
