package journal

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// State is what a journal says when it is replayed.
type State struct {
	Run   *Begin // nil before the first run; its RunID is "" when Salvage found its line lost
	Ended bool   // the run's End was written: nothing of it is left
	// BegunAt is when the run began, by this machine's clock.
	BegunAt time.Time
	// EndedAt is when, by this machine's clock; the zero time while Ended is false.
	EndedAt time.Time
	VMs     []VM                         // every VMID that this run may have touched, in the order of first mention
	Facts   map[string]map[string]string // by target
	Open    []OpenIntent                 // intents without a known outcome

	// Detached are the commands that may still run on the targets: ID to target.
	Detached map[string]string

	// Tasks are the UPIDs of all tasks that the run is known to have started.
	Tasks []string

	uploads []Upload
	lastSeq int
	lossy   bool // a line of the run is lost, which may have been about any VM
}

// Upload is a file that the run may have put on a storage.
type Upload struct {
	VM     string // whom it is for, by its name in the spec
	Node   string
	Volume string // such as "local:iso/seed.iso"

	touched bool
}

// Uploads returns the files that may be on a storage: every upload but the refused and the removed ones.
func (s *State) Uploads() []Upload {
	return slices.DeleteFunc(slices.Clone(s.uploads), func(upload Upload) bool {
		open := slices.ContainsFunc(s.Open, func(open OpenIntent) bool { return open.Volume == upload.Volume && open.Node == upload.Node })
		return !upload.touched && !open && !s.lossy
	})
}

// VM is what the journal knows of one VMID of the run.
type VM struct {
	Name   string
	Node   string
	VMID   int
	Done   []Op     // the changes that are known to have been carried out, in order
	Failed []Op     // those that were begun and failed, in order
	Disks  []string // the volumes that its configuration is known to have named, by ID
	Clones int      // how many clones were announced
	UUID   string   // the SMBIOS UUID of the VM that the run made; "" when it was never read
	Listed bool     // the server's task list names the VMID, for work of this token before this run
	Killed bool     // a worker of that work was killed
	// Unproved: an empty VM of ours may be there, to look under the VMID. Its creation failed, or nobody knows how it ended.
	Unproved bool
	// Lossy is set by Known: the journal lost lines, so that Done, Failed, Disks and Clones may be incomplete.
	Lossy bool

	touched bool
	made    int // the entry that last announced a change of a VM of the run; 0: the VMID was only looked at
}

// Made says whether the run announced a change of a VM of its own under the VMID. Without, nothing there is proved ours.
func (v VM) Made() bool { return v.made > 0 }

// Destroyed says whether the last change known to be carried out is the VM's destruction.
func (v VM) Destroyed() bool { return len(v.Done) > 0 && v.Done[len(v.Done)-1] == OpDestroy }

// Has says whether op is known to have been carried out.
func (v VM) Has(op Op) bool { return slices.Contains(v.Done, op) }

// name adds volumes of the VM's configuration.
func (v *VM) name(disks []string) {
	for _, disk := range disks {
		if !slices.Contains(v.Disks, disk) {
			v.Disks = append(v.Disks, disk)
		}
	}
}

// OpenIntent is an intent whose outcome is not known.
type OpenIntent struct {
	Seq int
	Intent
	Time time.Time // when it was announced
	UPID string    // "" when the answer with the task never came
}

// Touched returns the VMs of which something may exist on PVE: every change but the refused ones counts. When a line
// of the run is lost, a VM whose known changes were all refused counts too.
func (s *State) Touched() []VM {
	return slices.DeleteFunc(slices.Clone(s.VMs), func(vm VM) bool {
		open := slices.ContainsFunc(s.Open, func(open OpenIntent) bool { return open.VMID == vm.VMID && open.Node == vm.Node })
		return !vm.touched && !open && !s.lossy
	})
}

// Active says whether a lab run was begun and not ended.
func (s *State) Active() bool { return s.Run != nil && !s.Ended }

// VM returns what is known of the VM with that name under the VMID where the run made it last.
func (s *State) VM(name string) (VM, bool) {
	var found VM
	for _, vm := range s.VMs {
		if vm.Name == name && vm.made > found.made {
			found = vm
		}
	}
	return found, found.Made()
}

// Known returns what is known of a VMID, on whatever node.
func (s *State) Known(vmid int) VM {
	known := VM{VMID: vmid, Lossy: s.lossy || s.Damaged()}
	for _, vm := range s.VMs {
		if vm.VMID != vmid {
			continue
		}
		if vm.made >= known.made {
			known.Name, known.Node, known.made = vm.Name, vm.Node, vm.made
		}
		known.Done, known.Failed = append(known.Done, vm.Done...), append(known.Failed, vm.Failed...)
		known.touched, known.Listed, known.Killed = known.touched || vm.touched, known.Listed || vm.Listed, known.Killed || vm.Killed
		known.Clones += vm.Clones
		known.Unproved = known.Unproved || vm.Unproved
		known.UUID = cmp.Or(vm.UUID, known.UUID)
		known.name(vm.Disks)
	}
	return known
}

// Fact returns one fact of a target, or "".
func (s *State) Fact(target, key string) string { return s.Facts[target][key] }

func newState() *State {
	return &State{Facts: map[string]map[string]string{}, Detached: map[string]string{}}
}

func (s *State) clone() *State {
	copied := *s
	copied.VMs = slices.Clone(s.VMs)
	for i := range copied.VMs {
		vm := &copied.VMs[i]
		vm.Done, vm.Failed, vm.Disks = slices.Clone(vm.Done), slices.Clone(vm.Failed), slices.Clone(vm.Disks)
	}
	copied.Open = slices.Clone(s.Open)
	copied.uploads, copied.Tasks = slices.Clone(s.uploads), slices.Clone(s.Tasks)
	copied.Detached = maps.Clone(s.Detached)
	copied.Facts = make(map[string]map[string]string, len(s.Facts))
	for target, values := range s.Facts {
		copied.Facts[target] = maps.Clone(values)
	}
	return &copied
}

// apply folds one entry into the state; an entry that cannot follow what came before is an error.
func (s *State) apply(entry Entry) error {
	switch {
	case entry.Begin != nil:
		if entry.Begin.Format > Format {
			return &NewerError{Version: entry.Begin.Version, Format: entry.Begin.Format}
		}
		*s = *newState()
		s.Run, s.BegunAt = entry.Begin, entry.Time
	case entry.Facts != nil:
		s.learn(*entry.Facts)
	case entry.Detach != nil:
		s.Detached[entry.Detach.ID] = entry.Detach.Target
	case entry.Attach != nil:
		delete(s.Detached, entry.Attach.ID)
	case entry.End != nil:
		s.Ended, s.EndedAt = true, entry.Time
	default:
		if err := s.applyToVM(entry); err != nil {
			return err
		}
	}
	s.lastSeq = entry.Seq
	return nil
}

// applyToVM folds an entry about a VMID or an upload into the state.
func (s *State) applyToVM(entry Entry) error {
	switch {
	case entry.Listed != nil:
		s.list(*entry.Listed)
	case entry.Seen != nil:
		s.see(*entry.Seen)
	case entry.Intent != nil && (entry.Intent.Op == OpTraced || entry.Intent.Op == OpKilled):
		s.list(Listed{Node: entry.Intent.Node, VMID: entry.Intent.VMID, Killed: entry.Intent.Op == OpKilled})
	case entry.Intent != nil:
		s.intend(*entry.Intent, entry.Seq)
		s.Open = append(s.Open, OpenIntent{Seq: entry.Seq, Intent: *entry.Intent, Time: entry.Time})
	case entry.Task != nil:
		s.Tasks = append(s.Tasks, entry.Task.UPID)
		for i := range s.Open {
			if s.Open[i].Seq == entry.Task.Intent {
				s.Open[i].UPID = entry.Task.UPID
			}
		}
	case entry.Outcome != nil:
		s.close(*entry.Outcome)
	default:
		return fmt.Errorf("entry %d says nothing", entry.Seq)
	}
	return nil
}

// intend notes what an announced change is about. Looking at a VMID with an empty VM, and destroying that one, makes
// nothing there ours.
func (s *State) intend(intent Intent, seq int) {
	if intent.Volume != "" {
		s.upload(intent)
		return
	}
	vm := s.vm(intent.Node, intent.VMID)
	if looked := intent.Op == OpProbe || (intent.Op == OpDestroy && len(intent.Disks) == 0); !looked {
		vm.made, vm.Name = seq, intent.VM
	}
	vm.name(intent.Disks)
	if intent.Op == OpClone {
		vm.Clones++
	}
}

// list notes that the server's task list names a VMID.
func (s *State) list(listed Listed) {
	vm := s.vm(listed.Node, listed.VMID)
	vm.Listed, vm.Killed, vm.touched = true, vm.Killed || listed.Killed, true
}

// see notes the identity of a VM of the run.
func (s *State) see(seen Seen) {
	vm := s.vm(seen.Node, seen.VMID)
	vm.UUID = seen.UUID
	vm.name(seen.Disks)
}

func (s *State) learn(facts Facts) {
	if s.Facts[facts.Target] == nil {
		s.Facts[facts.Target] = map[string]string{}
	}
	maps.Copy(s.Facts[facts.Target], facts.Values)
}

// vm returns the record of a VMID on a node, made on first mention. What was looked at and what the run made there share
// one record: the name is that of the VM that the run made last.
func (s *State) vm(node string, vmid int) *VM {
	for i := range s.VMs {
		if s.VMs[i].VMID == vmid && s.VMs[i].Node == node {
			return &s.VMs[i]
		}
	}
	s.VMs = append(s.VMs, VM{Node: node, VMID: vmid})
	return &s.VMs[len(s.VMs)-1]
}

// close takes the intent off the open list, unless its outcome is unknown.
func (s *State) close(outcome Outcome) {
	at := slices.IndexFunc(s.Open, func(open OpenIntent) bool { return open.Seq == outcome.Intent })
	if at < 0 || outcome.Result == ResultUnknown {
		return
	}
	if intent := s.Open[at].Intent; intent.Volume != "" {
		s.closeUpload(intent, outcome.Result)
		s.Open = slices.Delete(s.Open, at, at+1)
		return
	}
	vm := s.vm(s.Open[at].Node, s.Open[at].VMID)
	vm.touched = vm.touched || outcome.Result != ResultRefused
	if s.Open[at].Op == OpProbe && outcome.Result != ResultRefused {
		vm.Unproved = outcome.Result == ResultFailed
	}
	switch outcome.Result {
	case ResultDone:
		vm.Done = append(vm.Done, s.Open[at].Op)
	case ResultFailed:
		vm.Failed = append(vm.Failed, s.Open[at].Op)
	case ResultRefused, ResultUnknown: // nothing was changed; nothing is known
	}
	s.Open = slices.Delete(s.Open, at, at+1)
}

// upload returns the record of the intent's volume, made on first mention.
func (s *State) upload(intent Intent) *Upload {
	for i := range s.uploads {
		if s.uploads[i].Volume == intent.Volume && s.uploads[i].Node == intent.Node {
			return &s.uploads[i]
		}
	}
	s.uploads = append(s.uploads, Upload{VM: intent.VM, Node: intent.Node, Volume: intent.Volume})
	return &s.uploads[len(s.uploads)-1]
}

// closeUpload notes how an upload, or its removal, ended.
func (s *State) closeUpload(intent Intent, result Result) {
	upload := s.upload(intent)
	if intent.Op == OpFree && result == ResultDone {
		s.uploads = slices.DeleteFunc(s.uploads, func(u Upload) bool { return u.Volume == intent.Volume && u.Node == intent.Node })
		return
	}
	upload.touched = upload.touched || result != ResultRefused
}
