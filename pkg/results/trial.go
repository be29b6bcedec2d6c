package results

import (
	"fmt"
	"time"

	"labctl/pkg/results/measure"
)

// Cell is one place of a run's plan: one workload on one layer of one target in one block.
type Cell struct {
	Block    int    `json:"block"` // from 1
	Target   string `json:"target"`
	Layer    string `json:"layer,omitempty"` // where below the target fio works, such as "host-zvol"; "" = not said
	Workload string `json:"workload"`
}

// String names the cell for messages.
func (c Cell) String() string {
	return fmt.Sprintf("%s on %s, block %d", c.Workload, c.Place(), c.Block)
}

// Place is the target and, unless it is the usual one, the layer: "2gb", "2gb/host-zvol".
func (c Cell) Place() string { return place(c.Target, c.Layer) }

// The layers. The first two are the usual ones of a VM and of a host: files in a directory.
const (
	LayerGuestFS  = "guest-fs"
	LayerHostSet  = "host-set"
	LayerGuestRaw = "guest-raw"
	LayerHostZvol = "host-zvol" // the device below a VM's disk, while the VM is stopped
)

func place(target, layer string) string {
	switch layer {
	case "", LayerGuestFS, LayerHostSet:
		return target
	default:
		return target + "/" + layer
	}
}

// Trial is one fio process. Its cell and its attempt identify it.
type Trial struct {
	Cell
	// Attempt counts from 1. The last attempt at a cell is the one that counts.
	Attempt int `json:"attempt"`
	// Seq is the order in which the trials of the run began, from 1.
	Seq int `json:"seq"`
	// Group is the same for trials that ran at the same time; "" for a trial that ran alone.
	Group string `json:"group,omitempty"`

	// OnTarget and OnLabctl are when the trial ran, by the target's clock and by that of labctl.
	OnTarget Window `json:"on_target,omitzero"`
	OnLabctl Window `json:"on_labctl,omitzero"`
	// FioElapsed is how long fio ran, Wall what the trial took as labctl saw it, set-up and transfer included.
	FioElapsed Duration `json:"fio_elapsed,omitzero"`
	Wall       Duration `json:"wall,omitzero"`
	Args       []string `json:"args,omitempty"`
	ExitCode   int      `json:"exit_code"`
	// Files says whether fio found files of an earlier trial: "fresh" or "reused".
	Files string `json:"files,omitempty"`

	// Measures are derived from fio's report when the trial is recorded; nil when the trial failed.
	Measures *measure.Set `json:"measures,omitempty"`
	// Error says why the trial gave no numbers. Skipped says that it was not tried, for that reason.
	Error   string `json:"error,omitempty"`
	Skipped bool   `json:"skipped,omitempty"`
	// Said is what fio said beside its numbers, line by line.
	Said     []string  `json:"fio_said,omitempty"`
	Findings []Finding `json:"findings,omitempty"`
	// Artifacts are everything the trial left behind.
	Artifacts []Artifact `json:"artifacts,omitempty"`
}

// Valid reports whether a trial gave numbers that may be used.
func (t *Trial) Valid() bool {
	if t.Measures == nil || t.Error != "" {
		return false
	}
	for _, f := range t.Findings {
		if f.Severity == Invalid {
			return false
		}
	}
	return true
}

// Window is when something ran. A time that is not known is zero.
type Window struct {
	Start time.Time `json:"start,omitzero"`
	// RampEnd is when fio began to measure, after its ramp time.
	RampEnd time.Time `json:"ramp_end,omitzero"`
	End     time.Time `json:"end,omitzero"`
}

// Finding is what a rule says about a trial.
type Finding struct {
	Rule     string   `json:"rule"`
	Severity Severity `json:"severity"`
	Evidence string   `json:"evidence"`
}

// Severity says what a finding means for the numbers.
type Severity string

// The severities.
const (
	Invalid Severity = "invalid" // the numbers must not be used
	Warning Severity = "warning" // the numbers need the evidence beside them
	Note    Severity = "note"    // worth knowing
)

// Artifact is data that a trial left behind.
type Artifact struct {
	Role Role   `json:"role"`
	Name string `json:"name,omitempty"` // tells artifacts of one role apart
	Blob
}

// Role says what an artifact is.
type Role string

// The roles. Others may be added by whoever writes them.
const (
	RoleReport Role = "fio-report" // what fio printed to standard output
	RoleStderr Role = "fio-stderr" // what fio printed to standard error
)

// Output is data to be recorded with a trial.
type Output struct {
	Role Role
	Name string
	Data []byte
}

// Blob refers to stored data by the hash and the size of its uncompressed content.
type Blob struct {
	SHA256    string `json:"sha256"`
	SizeBytes int64  `json:"size_bytes"`
	// PackedSHA256 is the hash of the file in which the data is stored; "" in runs of labctls before schema 2.
	PackedSHA256 string `json:"packed_sha256,omitempty"`
}

// Artifact returns the first artifact of a role, or nil.
func (t *Trial) Artifact(role Role) *Artifact {
	for i := range t.Artifacts {
		if t.Artifacts[i].Role == role {
			return &t.Artifacts[i]
		}
	}
	return nil
}
