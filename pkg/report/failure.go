package report

import (
	"fmt"
	"strconv"
	"strings"
)

// failureLines tells which trials failed and why; the blocks in which a trial failed the same way share a line.
func failureLines(list []Failure) []string {
	type same struct{ target, workload, problem string }
	blocks := map[same][]string{}
	var order []same
	for _, f := range list {
		key := same{f.Target, f.Workload, f.Error}
		if blocks[key] == nil {
			order = append(order, key)
		}
		blocks[key] = append(blocks[key], strconv.Itoa(f.Block))
	}
	var lines []string
	for _, key := range order {
		word := "block"
		if len(blocks[key]) > 1 {
			word = "blocks"
		}
		lines = append(lines, fmt.Sprintf("%s, %s, %s %s failed: %s",
			key.target, key.workload, word, strings.Join(blocks[key], ", "), brief(key.problem, maxProblem)))
	}
	return lines
}

// maxProblem is how many characters of a trial's error are shown; the JSON report has all of them.
const maxProblem = 300
