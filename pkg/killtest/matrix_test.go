package killtest

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// matrix is every row.
func matrix() []lane {
	var all []lane
	for _, major := range []int{8, 9} {
		for _, command := range []string{"up", "down"} {
			for _, moment := range []moment{before, effect, answered} {
				for _, stateless := range []bool{false, true} {
					all = append(all, lane{major: major, command: command, moment: moment, stateless: stateless})
				}
			}
		}
	}
	for _, stateless := range []bool{false, true} {
		for _, command := range []string{"up", "down"} {
			all = append(all, lane{major: 9, command: command, moment: effect, stateless: stateless, beside: true})
		}
		all = append(all, lane{major: 8, command: "again", moment: effect, stateless: stateless},
			lane{major: 9, command: "gc", moment: effect, stateless: stateless}, lane{major: 8, command: "gc", moment: answered, stateless: stateless})
	}
	return all
}

// TestKilledAtEveryChange kills labctl at every change of up and of down, before it reaches the server, after its effect
// and after its answer, and wants down to remove everything, with the state directory and without.
func TestKilledAtEveryChange(t *testing.T) {
	if !*everything {
		t.Skip("takes minutes: run it with -kill; TestKilledSample is a part of it")
	}
	lanes := matrix()
	sums, took := make([]tally, len(lanes)), make([]time.Duration, len(lanes))
	var wait sync.WaitGroup // and not t.Parallel, since the table waits for all rows
	for i, lane := range lanes {
		wait.Go(func() {
			t.Run(lane.String(), func(t *testing.T) {
				begun := time.Now()
				sums[i] = lane.walk(t)
				took[i] = time.Since(begun)
			})
		})
	}
	wait.Wait()
	var table strings.Builder
	fmt.Fprintf(&table, "%-48s %6s %9s %10s %8s\n", "lane", "kills", "survivors", "down twice", "took")
	var all tally
	for i, lane := range lanes {
		sum := sums[i]
		fmt.Fprintf(&table, "%-48s %6d %9d %10d %8v\n", lane, sum.kills, sum.survivors, sum.twice, took[i].Round(time.Second))
		all.add(sum)
	}
	t.Logf("\n%s%-48s %6d %9d %10d", table.String(), "sum", all.kills, all.survivors, all.twice)
}

// TestKilledSample is the part of TestKilledAtEveryChange that always runs.
func TestKilledSample(t *testing.T) {
	t.Parallel()
	for _, sample := range []struct {
		lane
		points []int
	}{
		{lane{major: 9, command: "up", moment: effect, stateless: true}, []int{2}},
		{lane{major: 8, command: "up", moment: answered}, []int{6}},
		{lane{major: 9, command: "down", moment: effect, beside: true}, []int{8}},
	} {
		t.Run(sample.String(), func(t *testing.T) {
			t.Parallel()
			sum := sample.walkSome(t, sample.points)
			t.Logf("killed at %v: %d survivors, %d times down twice", sum.requests, sum.survivors, sum.twice)
		})
	}
}
