// Package suite expands a suite into trials, runs them one at a time on their targets, and hands each result on as
// soon as it is known.
package suite

import (
	"math/rand/v2"
	"slices"
	"time"

	"labctl/pkg/labspec"
)

// Planned is one trial of the schedule.
type Planned struct {
	Seq      int // from 1
	Block    int // from 1
	Target   string
	Workload labspec.Workload
}

// Filter keeps a part of the schedule; an empty field keeps everything.
type Filter struct{ Target, Workload string }

// Schedule lists the trials in the order in which they run. With a fixed order every block goes target by target, as the
// spec lists them; with a random order each block is shuffled anew, so that neither time nor the state of the drive goes along
// with a target. The same seed gives the same schedule.
func Schedule(suite labspec.Suite, targets []string, seed uint64, filter Filter) []Planned {
	random := rand.New(rand.NewPCG(seed, 0))
	var schedule []Planned
	for block := 1; block <= suite.Blocks; block++ {
		var trials []Planned
		for _, target := range targets {
			for _, workload := range suite.Workloads {
				trials = append(trials, Planned{Block: block, Target: target, Workload: workload})
			}
		}
		if suite.Order == labspec.OrderRandom {
			random.Shuffle(len(trials), func(i, j int) { trials[i], trials[j] = trials[j], trials[i] })
		}
		schedule = append(schedule, trials...)
	}
	schedule = slices.DeleteFunc(schedule, func(p Planned) bool {
		return (filter.Target != "" && filter.Target != p.Target) || (filter.Workload != "" && filter.Workload != p.Workload.Name)
	})
	for i := range schedule {
		schedule[i].Seq = i + 1
	}
	return schedule
}

// Estimate is how long the trials take at least: fio's run times and the rests between them. Laying out files and
// the final fsync come on top.
func Estimate(schedule []Planned, rest time.Duration) time.Duration {
	var total time.Duration
	for i, planned := range schedule {
		total += planned.Workload.Job.Runtime()
		if i > 0 {
			total += rest
		}
	}
	return total
}
