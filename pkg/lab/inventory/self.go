package inventory

import (
	"slices"
	"time"

	"labctl/pkg/pve"
)

// Self is who is at work on which lab. Every owner mark is compared with it, and nothing else decides whose a VM or an
// upload is.
type Self struct {
	Lab    string
	Owner  string // the API token's name, unless the configuration says otherwise
	Former string // user@machine, as labctl named owners before it went by the token; "" when there is none
	Run    string // the lab run in the journal; "" when none is open
	// States are the names of the state directory in marks. Who holds its lock knows that no other process works on the
	// lab from there.
	States []string
	// AllRuns says that runs of other state directories are to be removed too, whether they are still worked on or not.
	AllRuns bool
	// OneRun says that only the run itself is ours: what a run takes back is what it made.
	OneRun bool
}

// Whose says whose a VM or an upload is.
type Whose string

// The answers. Only what is of this run or of a dead one may be removed.
const (
	OfThisRun Whose = "this run"
	OfDeadRun Whose = "a dead run"  // of this owner: from this state directory, or expired
	OfLiveRun Whose = "a live run"  // of this owner, from another state directory, and not expired
	OfOthers  Whose = "others"      // of another owner or another lab, or a copy of a lab's VM
	OfNobody  Whose = "nobody here" // it carries no owner mark
)

// Removable says whether a removal of the lab may remove it.
func (w Whose) Removable() bool { return w == OfThisRun || w == OfDeadRun }

// Of says whose the VM with that mark in its notes is.
func (s Self) Of(mark Mark, marked bool, id pve.VMID) Whose {
	switch {
	case !marked:
		return OfNobody
	case !mark.Of(id):
		return OfOthers
	}
	return s.whose(mark.Lab, mark.Run, mark.State, mark.Expires, s.Owns(mark.Owner))
}

// OfUpload says whose a file on a storage is.
func (s Self) OfUpload(name UploadName) Whose {
	owned := name.SameOwner(s.Owner) || (s.Former != "" && name.SameOwner(s.Former))
	return s.whose(name.Lab, name.Run, name.State, RunExpiry(name.Run), owned)
}

// Owns says whether a mark's owner is this one.
func (s Self) Owns(owner string) bool {
	return owner == s.Owner || (s.Former != "" && owner == s.Former)
}

// whose compares lab, run, owner, state directory and time, in this order.
func (s Self) whose(lab, run, state string, expires time.Time, owned bool) Whose {
	switch {
	case lab != s.Lab:
		return OfOthers
	case s.Run != "" && run == s.Run:
		return OfThisRun // by the journal, whatever the machine or the token is called today
	case !owned:
		return OfOthers
	case s.OneRun:
		return OfLiveRun
	case s.AllRuns, slices.Contains(s.States, state), !time.Now().Before(expires):
		return OfDeadRun
	}
	return OfLiveRun
}
