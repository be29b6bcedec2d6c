package labrun

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/journal"
)

// Standing is what a lab run on the server is to this process.
type Standing string

// The standings of a lab run. Only expired and orphaned ones are garbage.
const (
	StandingUp        Standing = "up"        // known here, and its time is not over
	StandingBusy      Standing = "busy"      // another labctl process works on it
	StandingElsewhere Standing = "elsewhere" // of another state directory, and its time is not over
	StandingExpired   Standing = "expired"   // its time is over
	StandingOrphaned  Standing = "orphaned"  // of this state directory, which knows nothing of it any more
	StandingForeign   Standing = "foreign"   // somebody else's
)

// Found is a lab run of which something exists on the server.
type Found struct {
	Lab, Run string
	Owner    string // as in its mark; a hash of it when only uploads tell
	Expires  time.Time
	Standing Standing
	VMs      []inventory.VM
	Uploads  []inventory.Upload

	mark inventory.Mark
}

// Garbage says that gc removes the lab run.
func (f Found) Garbage() bool {
	return f.Standing == StandingExpired || f.Standing == StandingOrphaned
}

// Known says whether the state directory has the run's journal, so that Down removes it best.
func (l *Labs) Known(f Found) bool {
	known, _ := l.knows(f.Lab, f.Run)
	return known
}

// IncompleteError says what Find could not look at. Something of a lab may be there.
type IncompleteError struct{ Missed []error }

// Error has a line for everything that was missed.
func (e *IncompleteError) Error() string { return errors.Join(e.Missed...).Error() }

// Unwrap returns what was missed.
func (e *IncompleteError) Unwrap() []error { return e.Missed }

// Find looks at every VM that the token may read, and every upload, for owner marks. It changes nothing. With an
// *IncompleteError comes everything else that was found.
func (l *Labs) Find(ctx context.Context, server Server) ([]Found, error) {
	look := look{api: server.API}
	vms, uploads, err := look.everything(ctx)
	if err != nil {
		return nil, err
	}
	found := group(vms, uploads)
	for i := range found {
		l.judge(server, &found[i])
	}
	left, damaged, err := l.unfinished(server, found)
	if err != nil {
		return nil, err
	}
	found = append(found, left...)
	slices.SortFunc(found, func(a, b Found) int { return cmp.Or(cmp.Compare(a.Lab, b.Lab), cmp.Compare(a.Run, b.Run)) })
	if missed := slices.Concat(look.missed, damaged); len(missed) > 0 {
		return found, &IncompleteError{missed}
	}
	return found, nil
}

// group puts together what is of one lab run.
func group(vms []inventory.VM, uploads []inventory.Upload) []Found {
	var found []Found
	for _, vm := range vms {
		at := slices.IndexFunc(found, func(f Found) bool {
			return f.Lab == vm.Mark.Lab && f.Run == vm.Mark.Run && f.Owner == vm.Mark.Owner
		})
		if at < 0 {
			at = len(found)
			found = append(found, Found{Lab: vm.Mark.Lab, Run: vm.Mark.Run, Owner: vm.Mark.Owner, Expires: vm.Mark.Expires, mark: vm.Mark})
		}
		found[at].VMs = append(found[at].VMs, vm)
	}
	for _, upload := range uploads {
		at := slices.IndexFunc(found, func(f Found) bool {
			return f.Lab == upload.Name.Lab && f.Run == upload.Name.Run && (upload.Name.SameOwner(f.Owner) || f.Owner == upload.Name.Owner)
		})
		if at < 0 {
			at = len(found)
			found = append(found, Found{Lab: upload.Name.Lab, Run: upload.Name.Run, Owner: upload.Name.Owner, Expires: inventory.RunExpiry(upload.Name.Run), mark: inventory.Mark{State: upload.Name.State}})
		}
		found[at].Uploads = append(found[at].Uploads, upload)
	}
	return found
}

// judge says what a lab run is to this process.
func (l *Labs) judge(server Server, found *Found) {
	self := l.Self(server, found.Lab, "")
	ours := self.Owns(found.Owner) || slices.ContainsFunc(found.Uploads, func(u inventory.Upload) bool { return self.OfUpload(u.Name) != inventory.OfOthers })
	if !ours {
		found.Standing = StandingForeign
		return
	}
	if !self.Owns(found.Owner) { // a hash in an upload's name
		found.Owner = self.Owner
	}
	known, busy := l.knows(found.Lab, found.Run)
	if state, err := l.Store.State(found.Lab); known && err == nil && state.Active() {
		found.Expires = state.Run.Expires // an upload's name says less
	}
	switch {
	case busy:
		found.Standing = StandingBusy
	case !time.Now().Before(found.Expires):
		found.Standing = StandingExpired
	case known:
		found.Standing = StandingUp
	case slices.Contains(l.Store.IDs(), found.mark.State), l.collects(*found):
		found.Standing = StandingOrphaned
	default:
		found.Standing = StandingElsewhere
	}
}

// knows says whether the run is the one that the lab's journal speaks of, and whether a process works on it.
func (l *Labs) knows(lab, run string) (known, busy bool) {
	state, err := l.Store.State(lab)
	if err != nil {
		return true, false // unreadable: `down` has to repair it, and nothing says that the lab is forgotten
	}
	if !state.Active() || state.Run.RunID != run {
		return false, false
	}
	held, err := journal.Held(l.Store.Dir(lab) + ".lock")
	return true, held || err != nil
}
