package change

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"labctl/pkg/lab/teardown"
	"labctl/pkg/pve"
)

// errAway is why something counts as left, or a VM is not removed.
var errAway = errors.New("the storage does not answer")

// disksAway keeps a VM from being destroyed one of whose disks is on a storage that does not answer: PVE would leave the disk and
// remove the configuration that names it (pve-api findings-3 48).
func disksAway(where shelf, name string, ref pve.VMRef, disks []string) error {
	for _, disk := range disks {
		if storage, _, _ := strings.Cut(disk, ":"); slices.Contains(where.away, storage) {
			err := fmt.Errorf("disk %s is on storage %s, and %w: the VM was not destroyed, since PVE would leave the disk", disk, storage, errAway)
			return &LeftoverError{VM: name, Ref: ref, Err: err, Away: storage}
		}
	}
	return nil
}

// unlooked is a doubt when a volume of ours may be on a storage that does not answer, which nobody could look at.
func (e *Executor) unlooked(name string, ref pve.VMRef, where shelf) error {
	state := e.Journal.State()
	for _, storage := range where.away {
		known := state.Known(int(ref.ID))
		if !teardown.MayHold(storage, known, state, e.Storages) {
			continue
		}
		left := &LeftoverError{VM: name, Ref: ref, Err: fmt.Errorf("storage %s was not looked at: %w", storage, errAway), Away: storage}
		for _, disk := range known.Disks {
			if strings.HasPrefix(disk, storage+":") {
				left.Disks = append(left.Disks, disk)
			}
		}
		return left
	}
	return nil
}

// tellAway tells of the storages of a node that nobody looks at.
func (e *Executor) tellAway(node string, where shelf) {
	for _, storage := range where.away {
		e.Observer.Line("storage %s of node %s does not answer: it is not looked at", storage, node)
	}
}

// destroyWith destroys the VM, with sweep also what the storages hold under its VMID beside its disks. PVE lists all storages for that,
// once the VM's own disks are gone, and fails when one does not answer (PVE::QemuServer, destroy_vm; findings-3 47): also one that this
// token does not see. The VM is then destroyed without.
func (e *Executor) destroyWith(ctx context.Context, name string, ref pve.VMRef, sweep bool, disks []string) error {
	remove := e.destroyChange(name, ref, sweep)
	remove.disks = disks
	err := e.destroyStopped(ctx, name, ref, remove)
	if !sweep || !failedInSweep(err) {
		return err
	}
	e.Observer.Line("VM %s (%d): PVE could not look at all storages; destroying it with its own disks only", name, ref.ID)
	remove = e.destroyChange(name, ref, false)
	remove.disks = disks
	return e.destroyStopped(ctx, name, ref, remove)
}

// failedInSweep says whether a destroy failed for a reason that is none of those that a destroy without sweep meets too.
func failedInSweep(err error) bool {
	var task *pve.TaskError
	if !errors.As(err, &task) {
		return false
	}
	for _, other := range []error{pve.ErrLocked, pve.ErrVMRunning, pve.ErrProtected, pve.ErrPermission, pve.ErrInUse, pve.ErrVMNotFound, pve.ErrOutcomeUnknown, pve.ErrInterrupted} {
		if errors.Is(err, other) {
			return false
		}
	}
	return true
}
