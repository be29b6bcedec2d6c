package compare

import (
	"slices"

	"labctl/pkg/results"
)

// Best is the fastest guest of a run, against the host of that run.
type Best struct {
	Host    string  `json:"host"`
	Target  string  `json:"target"`
	Guests  string  `json:"guests"`  // what the guests are: "VM", or "guest" in the sandbox
	Percent float64 `json:"percent"` // 100 × (guest/host − 1)
}

// Best finds the fastest guest of a workload; nil when there is no host or nothing to set against it.
func (t Table) Best(workload string, shape Shape) *Best {
	host := slices.IndexFunc(t.Targets, func(target results.Target) bool { return target.Kind == results.TargetHost })
	if host < 0 {
		return nil
	}
	base, ok := t.Cell(t.Targets[host].Place(), workload).Sample(shape.Metric, shape.Direction)
	if !ok || base.Median == 0 {
		return nil
	}
	var best *Best
	for _, target := range t.Targets {
		guest, ok := t.Cell(target.Place(), workload).Sample(shape.Metric, shape.Direction)
		if !ok || target.Kind == results.TargetHost {
			continue
		}
		if percent := change(base.Median, guest.Median); best == nil || percent > best.Percent {
			best = &Best{Host: t.Targets[host].Place(), Target: target.Place(), Guests: guestWord(target.Kind), Percent: percent}
		}
	}
	return best
}

func guestWord(kind results.TargetKind) string {
	if kind == results.TargetHostProcess {
		return "guest"
	}
	return "VM"
}
