package labspec

import (
	"time"

	"labctl/pkg/fio"
)

// MaxBlocks is the largest number of blocks.
const MaxBlocks = 1000

// Suite is a list of workloads and how they are repeated over the targets.
type Suite struct {
	Name      string
	Order     Order
	Rest      time.Duration // pause between two trials
	Blocks    int           // repetitions: every block runs each workload once on each target
	Files     FilePolicy
	Workloads []Workload
}

// Order is the order of the trials of one block.
type Order string

// The orders of a block.
const (
	OrderFixed  Order = "fixed"  // target by target, each with all workloads as they stand in the file
	OrderRandom Order = "random" // a seeded shuffle of target × workload, another one for each block
)

// FilePolicy says what a trial finds in its directory.
type FilePolicy string

// The file policies.
const (
	FilesFresh FilePolicy = "fresh" // files of earlier trials are removed first
	FilesReuse FilePolicy = "reuse" // they stay, and fio overwrites them
)

// Workload is one fio job under the name that the results show.
type Workload struct {
	Name string
	Job  fio.Job
}
