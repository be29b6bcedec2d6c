package labrun

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"labctl/pkg/lab/change"
	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/teardown"
)

// ElsewhereError says that a lab is up from another state directory, by the same owner, and that its time is not over.
// Somebody may be measuring in it, so that nothing of it is touched.
type ElsewhereError struct {
	Lab  string
	VMs  []inventory.VM
	Down bool // a removal found nothing else of the lab
}

// Error names the VMs and what to type.
func (e *ElsewhereError) Error() string {
	names := make([]string, len(e.VMs))
	until := time.Time{}
	for i, vm := range e.VMs {
		names[i] = fmt.Sprintf("VM %s (%d on node %s)", vm.Mark.VM, vm.Ref.ID, vm.Ref.Node)
		if vm.Mark.Expires.After(until) {
			until = vm.Mark.Expires
		}
	}
	text := fmt.Sprintf("lab %s is up from another state directory: %s of run %s, which may be in use until %s",
		e.Lab, strings.Join(names, ", "), e.VMs[0].Mark.Run, until.UTC().Format(time.RFC3339))
	if e.Down {
		return text + "; nothing was removed; if nobody uses it: `labctl down --all-runs`"
	}
	return text + "; bring a lab of your own up beside it: `labctl up --instance NAME`; or remove it, if nobody uses it: `labctl down --all-runs`"
}

// refused is why nothing of the lab is removed: what the person at work says contradicts what is known.
func refused(lab string, all []teardown.Known) error {
	all = teardown.With(all, teardown.Refuse)
	if len(all) == 0 {
		return nil
	}
	first := all[0]
	if first.Word == teardown.Leave {
		return fmt.Errorf("--leave %d contradicts the VM's notes, which say that it belongs to lab %s; nothing was removed; drop --leave, or delete labctl's line from the notes",
			first.Ref.ID, lab)
	}
	return fmt.Errorf("--take %d: %s; nothing was removed", first.Ref.ID, first.Row.Because)
}

// reported turns the decisions to report into errors with an operator's commands.
func reported(all []teardown.Known) error {
	var errs []error
	for _, known := range teardown.With(all, teardown.Report) {
		errs = append(errs, &change.LeftoverError{
			VM: cmp.Or(known.Name, known.Ref.ID.String()), Ref: known.Ref, Unread: true, Err: whyReported(known),
			Undecided: known.There == teardown.Unmarked || known.There == teardown.Perhaps,
		})
	}
	return errors.Join(errs...)
}

// whyReported says why a VMID cannot be cleared, and what to type.
func whyReported(known teardown.Known) error {
	id := known.Ref.ID
	switch known.There {
	case teardown.Unmarked:
		return fmt.Errorf("this run made VM %d, as its SMBIOS UUID shows, and its notes do not carry the lab's mark any more; "+
			"if it is still the lab's: `labctl down --take %d`; if it is to stay: `labctl down --leave %d`", id, id, id)
	case teardown.Perhaps:
		return fmt.Errorf("this run made a VM %d, and the notes of the VM there do not carry the lab's mark; look at it; "+
			"if it is the lab's: `labctl down --take %d`; if it is not: `labctl down --leave %d`", id, id, id)
	case teardown.HalfMade:
		return change.ErrUnprovedProbe
	case teardown.Unreachable:
		return errors.New("its node does not answer, and it may be of the lab")
	default:
		return fmt.Errorf("it exists, and this token may not read it: a clone that never ended, or somebody else's VM, which you leave with `labctl down --leave %d`", id)
	}
}
