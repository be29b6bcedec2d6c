// Package results keeps benchmark runs on disk: one immutable folder per run, one file per trial, the raw fio
// output beside it, and everything needed to know what was measured. The layout is described in docs/results-format.md.
package results

import "time"

// SchemaVersion is the version of the files this package writes, and the newest it reads.
const SchemaVersion = 2

// Kind says where the numbers of a run come from.
type Kind string

// The kinds of runs.
const (
	KindMeasured  Kind = "measured"  // by labctl
	KindImported  Kind = "imported"  // from result files of another program
	KindPublished Kind = "published" // numbers somebody published, shipped with labctl, without raw data
)

// Status is how far a run got.
type Status string

// The states of a run.
const (
	StatusRunning     Status = "running"     // a live process is writing it
	StatusComplete    Status = "complete"    // every scheduled trial was run
	StatusInterrupted Status = "interrupted" // ended early, or its process died; the trials it has are whole
	StatusFailed      Status = "failed"      // ended by an error that StatusReason tells
)

// TargetKind says what a target is.
type TargetKind string

// The kinds of targets.
const (
	TargetVM          TargetKind = "vm"           // a virtual machine
	TargetHost        TargetKind = "host"         // the virtualization host itself
	TargetHostProcess TargetKind = "host-process" // a process of this machine that stands for a guest (sandbox)
)

// Run is one benchmark run: what was to be measured, where, and the trials that were.
type Run struct {
	SchemaVersion int `json:"schema_version"`
	// ID is unique and sorts by time, for example 20260102T150405Z-1a2b; published runs are called like blog:2023-08-23.
	ID    string `json:"id"`
	Kind  Kind   `json:"kind"`
	Lab   string `json:"lab,omitempty"`
	Suite string `json:"suite,omitempty"`
	Title string `json:"title,omitempty"`
	// Created is when the run began, Finished when it ended; zero while it has not.
	Created      time.Time `json:"created"`
	Finished     time.Time `json:"finished,omitzero"`
	Status       Status    `json:"status,omitempty"`
	StatusReason string    `json:"status_reason,omitempty"`

	Targets   []Target   `json:"targets"`
	Workloads []Workload `json:"workloads"`
	// Blocks is how often every target × workload was to be run.
	Blocks int `json:"blocks"`
	// Seed is what the order of the trials was drawn from; text in JSON, where numbers lose precision above 2^53.
	Seed uint64 `json:"seed,string"`
	// Rest is the planned pause between two trials.
	Rest Duration `json:"rest"`
	// FilePolicy says whether trials find the files of earlier ones: "fresh" or "reuse".
	FilePolicy string `json:"file_policy,omitempty"`
	// Plan is empty in runs of labctls before schema 2, and in imported runs.
	Plan Plan `json:"plan,omitzero"`

	Provenance Provenance `json:"provenance"`
	// Trials are in the order of Seq; those that were never run are absent.
	Trials   []Trial   `json:"trials,omitempty"`
	Overhead *Overhead `json:"overhead,omitempty"`
	Notes    []string  `json:"notes,omitempty"`
	// Damage is what of the run's files is not as it was written; the rest of the run is here.
	Damage []Damage `json:"-"`
	// PassedOver are files of the run that a newer labctl wrote: this one cannot read them.
	PassedOver []string `json:"-"`
}

// Target is a machine that was measured, on one layer. A machine that was measured on several has an entry for each.
type Target struct {
	Name  string     `json:"name"`
	Layer string     `json:"layer,omitempty"` // as in Cell
	Kind  TargetKind `json:"kind,omitempty"`
	// Facts describe the machine, for example kernel, fio, cores, memory. Keys are free.
	Facts map[string]string `json:"facts,omitempty"`
	VMID  int               `json:"vmid,omitempty"`
	// Directory is where the test files were.
	Directory string `json:"directory,omitempty"`
}

// Place is what the target is called in tables, as in Cell.Place.
func (t Target) Place() string { return place(t.Name, t.Layer) }

// Workload is one fio job of the suite.
type Workload struct {
	Name        string `json:"name"`
	CommandLine string `json:"command_line,omitempty"`
}

// Provenance tells where a run comes from, well enough to repeat it.
type Provenance struct {
	LabctlVersion string `json:"labctl_version,omitempty"`
	// Spec is the text of the lab file, SpecSHA256 its hash in hex.
	SpecSHA256 string `json:"spec_sha256,omitempty"`
	Spec       string `json:"spec,omitempty"`
	PVEVersion string `json:"pve_version,omitempty"`
	PVENode    string `json:"pve_node,omitempty"`
	// Server is the host name or address of the Proxmox VE.
	Server string `json:"server,omitempty"`
	// Sandbox is "" on a real Proxmox VE, else the kind of sandbox: "host" or "qemu".
	Sandbox string `json:"sandbox,omitempty"`
	// LabRunID is the lab run whose machines were measured.
	LabRunID string `json:"lab_run_id,omitempty"`
	// Importer is the format an imported run was read from, Source where its data came from.
	Importer string `json:"importer,omitempty"`
	Source   string `json:"source,omitempty"`
	// SourceSHA256 is the hash in hex of the imported file.
	SourceSHA256 string `json:"source_sha256,omitempty"`
}

// Overhead is what the run cost beside measuring.
type Overhead struct {
	// Wall is the whole run; Fio the part in which fio ran; Rest the planned pauses between trials.
	Wall Duration `json:"wall"`
	Fio  Duration `json:"fio"`
	Rest Duration `json:"rest"`
}

// Harness is the time that was neither fio nor planned rest: set-up, transfer, bookkeeping.
func (o Overhead) Harness() Duration { return max(0, o.Wall-o.Fio-o.Rest) }

// HarnessPercent is Harness in percent of the time that was planned (fio and rest); 0 when nothing was.
func (o Overhead) HarnessPercent() float64 {
	planned := o.Fio + o.Rest
	if planned <= 0 {
		return 0
	}
	return 100 * float64(o.Harness()) / float64(planned)
}
