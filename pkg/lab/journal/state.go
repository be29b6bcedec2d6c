package journal

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// State is what a journal says when it is replayed.
type State struct {
	Run   *Begin // nil before the first run; its RunID is "" when Salvage found its line lost
	Ended bool   // the run's End was written: nothing of it is left
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
	// Lossy says that lines about it may be lost: the four before it may lack something. Only Known tells.
	Lossy bool

	touched bool
	acted   bool // the run announced a change, and does not only know of others'
}

// OnlyTraced says that the run itself changed nothing at the VMID: nothing proves it ours.
func (v VM) OnlyTraced() bool { return !v.acted }

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

// VM returns what is known of the VM with that name; the latest VMID wins.
func (s *State) VM(name string) (VM, bool) {
	for _, vm := range slices.Backward(s.VMs) {
		if vm.Name == name {
			return vm, true
		}
	}
	return VM{}, false
}

// Known returns what is known of a VMID, on whatever node.
func (s *State) Known(vmid int) VM {
	known := VM{VMID: vmid, Lossy: s.lossy || s.Damaged()}
	for _, vm := range s.VMs {
		if vm.VMID != vmid {
			continue
		}
		known.Name, known.Node = vm.Name, vm.Node
		known.Done, known.Failed = append(known.Done, vm.Done...), append(known.Failed, vm.Failed...)
		known.touched, known.acted = known.touched || vm.touched, known.acted || vm.acted
		known.Clones += vm.Clones
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
		s.Run = entry.Begin
	case entry.Intent != nil:
		s.intend(*entry.Intent)
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
	case entry.Facts != nil:
		s.learn(*entry.Facts)
	case entry.Detach != nil:
		s.Detached[entry.Detach.ID] = entry.Detach.Target
	case entry.Attach != nil:
		delete(s.Detached, entry.Attach.ID)
	case entry.End != nil:
		s.Ended, s.EndedAt = true, entry.Time
	default:
		return fmt.Errorf("entry %d says nothing", entry.Seq)
	}
	s.lastSeq = entry.Seq
	return nil
}

// intend notes what an announced change is about.
func (s *State) intend(intent Intent) {
	if intent.Volume != "" {
		s.upload(intent)
		return
	}
	vm := s.vm(intent)
	// Looking at a VMID with an empty VM, and destroying that one, makes nothing there ours.
	looked := intent.Op == OpProbe || (intent.Op == OpDestroy && len(intent.Disks) == 0)
	vm.acted = vm.acted || (!looked && intent.Op != OpTraced && intent.Op != OpKilled)
	vm.name(intent.Disks)
	if intent.Op == OpClone {
		vm.Clones++
	}
}

func (s *State) learn(facts Facts) {
	if s.Facts[facts.Target] == nil {
		s.Facts[facts.Target] = map[string]string{}
	}
	maps.Copy(s.Facts[facts.Target], facts.Values)
}

// vm returns the record of the intent's VMID, made on first mention.
func (s *State) vm(intent Intent) *VM {
	for i := range s.VMs {
		if s.VMs[i].VMID == intent.VMID && s.VMs[i].Node == intent.Node {
			return &s.VMs[i]
		}
	}
	s.VMs = append(s.VMs, VM{Name: intent.VM, Node: intent.Node, VMID: intent.VMID})
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
	vm := s.vm(s.Open[at].Intent)
	vm.touched = vm.touched || outcome.Result != ResultRefused
	switch outcome.Result {
	case ResultDone:
		vm.Done = append(vm.Done, s.Open[at].Op)
	case ResultFailed:
		vm.Failed = append(vm.Failed, s.Open[at].Op)
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
