package apply

import (
	"errors"
	"fmt"
	"strings"

	"labctl/pkg/pve"
)

// LeftoverError says that something of ours is, or may be, still on PVE, and how an operator removes it.
type LeftoverError struct {
	VM       string
	Ref      pve.VMRef
	Volumes  []pve.Volume // still there; may be empty when the VM itself is the matter
	Unproved bool         // the VMID belongs to somebody else now, so that our volumes cannot be looked for
	Sparing  bool         // somebody else's volumes have the VMID's name too
	Unread   bool         // what has the VMID could not be read: it may be somebody else's
	Err      error        // why it could not be removed, or nil
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
	fmt.Fprintf(&text, "\n  run `labctl down` again, or as root on %s:", e.Ref.Node)
	for _, command := range e.Commands() {
		text.WriteString("\n    " + command)
	}
	return text.String()
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
	if e.Unproved {
		return []string{fmt.Sprintf("pvesm list STORAGE --vmid %d   # compare with `qm config %d`", e.Ref.ID, e.Ref.ID)}
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
