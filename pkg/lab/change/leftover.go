package change

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"labctl/pkg/lab/journal"
	"labctl/pkg/pve"
)

// LeftoverError says that something of ours is, or may be, still on PVE, and how an operator removes it.
type LeftoverError struct {
	VM        string
	Ref       pve.VMRef
	Volumes   []pve.Volume // still there; may be empty when the VM itself is the matter
	Disks     []string     // the VM's; it is destroyed, and that nothing of them is left could not be shown
	Unproved  bool         // the VMID belongs to somebody else now, so that our volumes cannot be looked for
	Sparing   bool         // somebody else's volumes have the VMID's name too
	Unread    bool         // what has the VMID could not be read: it may be somebody else's
	Undecided bool         // a person has to say whose the VM is, as Err tells: nothing is to be removed before
	Away      string       // a storage that does not answer, on which volumes may be
	Err       error        // why it could not be removed, or nil
}

// Error names what is left, why, and the commands.
func (e *LeftoverError) Error() string {
	var text strings.Builder
	if e.Ref.ID == 0 {
		fmt.Fprintf(&text, "what was uploaded for %s to node %s could not be removed with proof", e.VM, e.Ref.Node)
	} else {
		fmt.Fprintf(&text, "VM %s (%d on node %s) could not be removed with proof", e.VM, e.Ref.ID, e.Ref.Node)
	}
	if e.Err != nil {
		fmt.Fprintf(&text, ": %v", e.Err)
	}
	for _, volume := range e.Volumes {
		fmt.Fprintf(&text, "; volume %s is left", volume.ID)
	}
	again := "run `labctl down` again, or as root on"
	switch {
	case errors.Is(e.Err, errOwnDisk):
		again = "as root on"
	case e.isHalfMade():
		again = "only root can give the VMID back; run `labctl down` again after this on"
	case e.Undecided:
		again = "look at it, as root on"
	}
	fmt.Fprintf(&text, "\n  %s %s:", again, e.Ref.Node)
	for _, command := range e.Commands() {
		text.WriteString("\n    " + command)
	}
	return text.String()
}

// isHalfMade says that PVE took the VMID and did not make the VM.
func (e *LeftoverError) isHalfMade() bool {
	return errors.Is(e.Err, pve.ErrHalfCreated) || errors.Is(e.Err, ErrUnprovedProbe)
}

// leftover says that a removal did not come to its end, by the journal: a VM that is destroyed needs no destroying.
func (e *Executor) leftover(name string, ref pve.VMRef, err error) *LeftoverError {
	state := e.Journal.State()
	known := state.Known(int(ref.ID))
	left := &LeftoverError{VM: name, Ref: ref, Err: err}
	open := slices.ContainsFunc(state.Open, func(open journal.OpenIntent) bool { return open.VMID == int(ref.ID) })
	if n := len(known.Done); n > 0 && known.Done[n-1] == journal.OpDestroy && !open { // and no empty VM is in its place
		left.Disks = known.Disks
	}
	return left
}

// Unwrap returns why it could not be removed.
func (e *LeftoverError) Unwrap() error { return e.Err }

// Commands are what an operator runs as root on the node to remove what is left. Without purge and
// destroy-unreferenced-disks the disks of a half-made clone stay (pve-api lab-findings §42).
func (e *LeftoverError) Commands() []string {
	if len(e.Volumes) > 0 {
		commands := make([]string, len(e.Volumes))
		for i, volume := range e.Volumes {
			commands[i] = "pvesm free " + volume.ID
		}
		return commands
	}
	if e.Away != "" {
		return []string{fmt.Sprintf("pvesm status --storage %s   # when it is active again: `labctl down`", e.Away)}
	}
	if e.isHalfMade() { // it has no disks, and others' may have the VMID's name (pve-api findings-3 5, 6)
		return []string{
			fmt.Sprintf("qm config %d   # go on only if `lock: create` is all that it says", e.Ref.ID),
			fmt.Sprintf("qm unlock %d; qm destroy %d", e.Ref.ID, e.Ref.ID),
		}
	}
	if errors.Is(e.Err, errOwnDisk) {
		return []string{fmt.Sprintf("qm disk move %d DISK --target-vmid VMID --target-disk DISK   # as `qm config %d` names the disk", e.Ref.ID, e.Ref.ID)}
	}
	if e.Undecided {
		return []string{fmt.Sprintf("qm config %d", e.Ref.ID)}
	}
	if e.Unproved {
		return []string{fmt.Sprintf("pvesm list STORAGE --vmid %d   # compare with `qm config %d`", e.Ref.ID, e.Ref.ID)}
	}
	if len(e.Disks) > 0 {
		commands := make([]string, len(e.Disks))
		for i, disk := range e.Disks {
			commands[i] = fmt.Sprintf("pvesm free %s   # if it is still there, and `qm config %d` knows no VM", disk, e.Ref.ID)
		}
		return commands
	}
	if e.Ref.ID == 0 {
		return []string{"pvesm list STORAGE --content iso   # labctl's are named labctl-LAB-..."}
	}
	free, destroy := fmt.Sprintf("qm unlock %d", e.Ref.ID), fmt.Sprintf("qm stop %d; qm destroy %d --purge 1", e.Ref.ID, e.Ref.ID)
	if errors.Is(e.Err, pve.ErrProtected) {
		free = fmt.Sprintf("qm set %d --protection 0", e.Ref.ID)
	}
	destroy = free + "; " + destroy
	if !e.Sparing {
		destroy += " --destroy-unreferenced-disks 1"
	}
	if !e.Unread {
		return []string{destroy}
	}
	return []string{
		fmt.Sprintf("qm config %d   # go on only if its notes carry labctl's mark and no task works on it (pvenode task list --vmid %d)", e.Ref.ID, e.Ref.ID),
		destroy,
	}
}
