package cli

import (
	"errors"
	"fmt"
	"strings"

	"labctl/pkg/lab/journal"
	"labctl/pkg/lab/labrun"
)

// stillUpError is a `down` that could not begin, for a lab of which something may be on the server.
type stillUpError struct {
	lab   string
	named []string // what may be there
	err   error
}

// Error names what may be there.
func (e *stillUpError) Error() string {
	return fmt.Sprintf("%v\nnothing of lab %s was removed: %s may still be there: run `labctl down` again once that is mended", e.err, e.lab, strings.Join(e.named, ", "))
}

// Unwrap returns why it could not begin.
func (e *stillUpError) Unwrap() error { return e.err }

// stillUp adds to the reason why a lab could not be opened what its journal says to be there. One that another process
// works on is that one's.
func stillUp(store labrun.Store, lab string, err error) error {
	var busy *journal.BusyError
	state, readErr := store.State(lab)
	if errors.As(err, &busy) || readErr != nil || !state.Active() {
		return err
	}
	left := &stillUpError{lab: lab, err: err}
	for _, vm := range state.Touched() {
		left.named = append(left.named, fmt.Sprintf("VM %s (%d on node %s)", vm.Name, vm.VMID, vm.Node))
	}
	for _, upload := range state.Uploads() {
		left.named = append(left.named, fmt.Sprintf("%s on node %s", upload.Volume, upload.Node))
	}
	if len(left.named) == 0 {
		return err
	}
	return left
}
