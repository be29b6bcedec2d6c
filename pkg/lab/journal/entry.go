package journal

import "time"

// Format is the version of the record layout that this package writes. A later labctl reads every earlier one.
//
//   - 1: the first.
//   - 2: uploads (OpUpload, OpFree, Intent.Volume), templates (OpCreate, OpConvert), traces (OpTraced, OpKilled), and the run's owner, pool and
//     token in Begin, and
//     Intent.Disks.
//   - 3: Listed in place of the intents OpTraced and OpKilled; Seen.
const Format = 3

// Entry is one line of the journal. Exactly one of the pointers is set.
type Entry struct {
	Seq     int       `json:"seq"`
	Time    time.Time `json:"time"`
	Begin   *Begin    `json:"begin,omitempty"`
	Intent  *Intent   `json:"intent,omitempty"`
	Task    *Task     `json:"task,omitempty"`
	Outcome *Outcome  `json:"outcome,omitempty"`
	Facts   *Facts    `json:"facts,omitempty"`
	Detach  *Detach   `json:"detached,omitempty"`
	Attach  *Attach   `json:"detached_end,omitempty"`
	Listed  *Listed   `json:"listed,omitempty"`
	Seen    *Seen     `json:"seen,omitempty"`
	End     *End      `json:"end,omitempty"`
}

// Begin opens a lab run.
type Begin struct {
	Format  int       `json:"format"`
	RunID   string    `json:"run"`
	Lab     string    `json:"lab"`
	Owner   string    `json:"owner,omitempty"` // as in the owner mark; "" before format 2
	Pool    string    `json:"pool,omitempty"`  // "" before format 2
	Server  string    `json:"server"`          // the API's URL
	Token   string    `json:"token,omitempty"` // the token's name, since a task shows to its own token only; "" before format 2
	Version string    `json:"labctl"`          // the labctl that began the run
	SpecSHA string    `json:"spec_sha256"`
	Expires time.Time `json:"expires"`
	// Collected says that the run is only removed here, by gc: it looked at nothing but what carries its mark.
	Collected bool `json:"collected,omitempty"`
}

// Op is a kind of change on PVE.
type Op string

// The changes that labctl makes on PVE.
const (
	OpClone     Op = "clone"
	OpConfigure Op = "configure"
	OpResize    Op = "resize"
	OpStart     Op = "start"
	OpStop      Op = "stop"
	OpDestroy   Op = "destroy"
	OpProbe     Op = "probe"  // an empty VM that claims the VMID while the storages are looked at
	OpUpload    Op = "upload" // a file put on a storage
	OpFree      Op = "free"   // an upload removed
	OpTraced    Op = "traced" // format 2 only, no change: see Listed
	OpKilled    Op = "killed" // format 2 only, no change: see Listed
	OpCreate    Op = "create" // a VM made from nothing, to become a template
	OpConvert   Op = "convert"
	OpDownload  Op = "download" // a file that the server was told to fetch onto a storage
)

// Intent says what is about to be sent. It is on disk before the request leaves.
type Intent struct {
	Op     Op     `json:"op"`
	VM     string `json:"vm"`
	Node   string `json:"node"`
	At     string `json:"at,omitempty"`     // node that works on it, when it is not Node
	VMID   int    `json:"vmid"`             // 0 for an upload
	Volume string `json:"volume,omitempty"` // of an upload, such as "local:iso/seed.iso"
	Detail string `json:"detail,omitempty"`
	// Disks are the volumes that the VM's configuration names, as it was read before the change.
	Disks []string `json:"disks,omitempty"`
}

// Task binds an intent to the task that PVE started for it.
type Task struct {
	Intent int    `json:"intent"` // Seq of the intent
	UPID   string `json:"upid"`
}

// Result is how an intent ended.
type Result string

// The ends of an intent. A lost answer is ResultUnknown until it has been looked up on the server.
const (
	ResultDone    Result = "done"
	ResultFailed  Result = "failed"  // begun, and something of it may be left
	ResultRefused Result = "refused" // the server did nothing
	ResultUnknown Result = "unknown"
)

// Outcome closes an intent.
type Outcome struct {
	Intent int    `json:"intent"` // Seq of the intent
	Result Result `json:"result"`
	Error  string `json:"error,omitempty"`
}

// Facts records what was learnt of a target: its address, host key, directory and so on.
type Facts struct {
	Target string            `json:"target"`
	Values map[string]string `json:"values"`
}

// Detach says that a command with this ID may run on a target from now on, whatever becomes of labctl.
type Detach struct {
	Target string `json:"target"`
	ID     string `json:"id"`
}

// Attach says that the detached command with this ID has ended and left nothing.
type Attach struct {
	ID string `json:"id"`
}

// Listed records that the server's task list names a VMID as one that this token worked on before this run. It is no
// change: nothing there is ours for that reason alone.
type Listed struct {
	Node   string `json:"node"`
	VMID   int    `json:"vmid"`
	Killed bool   `json:"killed,omitempty"` // the task's worker was killed: what it left cannot be read by any token
}

// Seen records the identity of a VM that this run made, as its configuration was read. PVE gives every clone an SMBIOS UUID
// of its own (API2/Qemu.pm, clone_vm), so that the VM is known again when its notes were replaced.
type Seen struct {
	VM    string   `json:"vm"`
	Node  string   `json:"node"`
	VMID  int      `json:"vmid"`
	UUID  string   `json:"smbios_uuid"`
	Disks []string `json:"disks,omitempty"` // volumes that the configuration names
}

// End closes a lab run: everything it made is proved to be gone.
type End struct {
	RunID string `json:"run"`
}
