package pve

import (
	"errors"
	"fmt"
)

// What callers decide on. classify.go says which of PVE's texts mean which of
// these; several can hold for one error, and the special ones imply the general.
var (
	// ErrNotFound: something that the request names does not exist.
	ErrNotFound = errors.New("not found")
	// ErrVMNotFound: that node has no such VM. It may be gone, or on another node. Implies ErrNotFound.
	ErrVMNotFound = fmt.Errorf("VM %w", ErrNotFound)
	// ErrExists: the thing to be made is there already.
	ErrExists = errors.New("already exists")
	// ErrVMIDTaken: some VM or container has that VMID. Implies ErrExists.
	ErrVMIDTaken = fmt.Errorf("VMID is taken: %w", ErrExists)
	// ErrLeftover: a volume of an earlier VM with that VMID is in the way.
	ErrLeftover = errors.New("volume of an earlier VM is left")

	// ErrLocked: somebody else works on it; nothing was changed.
	ErrLocked = errors.New("locked")
	// ErrConfigLocked: the VM's config has a lock entry: a clone, backup or migration runs, or died.
	// Only root can take that away. Implies ErrLocked.
	ErrConfigLocked = fmt.Errorf("VM config %w", ErrLocked)
	// ErrFileLocked: another task on the VM held its lock file for too long. Implies ErrLocked.
	ErrFileLocked = fmt.Errorf("VM lock file %w", ErrLocked)
	// ErrStorageLocked: other allocations on the storage held its lock for too long. Implies ErrLocked.
	ErrStorageLocked = fmt.Errorf("storage %w", ErrLocked)

	// ErrAgentDown: the guest agent cannot be asked; which of the next three says why.
	ErrAgentDown = errors.New("guest agent is down")
	// ErrAgentNotConfigured: the VM has no agent option; waiting does not help. Implies ErrAgentDown.
	ErrAgentNotConfigured = fmt.Errorf("%w: not configured", ErrAgentDown)
	// ErrAgentNotAnswering: not booted that far yet, not installed, or hanging. Implies ErrAgentDown.
	ErrAgentNotAnswering = fmt.Errorf("%w: not answering", ErrAgentDown)
	// ErrVMNotRunning: the VM is off. Implies ErrAgentDown.
	ErrVMNotRunning = fmt.Errorf("%w: VM is not running", ErrAgentDown)
	// ErrVMRunning: the VM is on, so it cannot be destroyed, or need not be started.
	ErrVMRunning = errors.New("VM is running")

	// ErrAuth: the server does not take the API token.
	ErrAuth = errors.New("authentication refused")
	// ErrPermission: a privilege is missing; errors.As to *PermissionError tells which.
	ErrPermission = errors.New("permission denied")
	// ErrRootOnly: only root@pam with a password may do this, no API token. Implies ErrPermission.
	ErrRootOnly = fmt.Errorf("%w: only for root", ErrPermission)

	// ErrTagRestricted: the data centre's settings reserve the tag; without the tag the same change may work.
	// Implies ErrPermission.
	ErrTagRestricted = fmt.Errorf("%w: the tag is restricted", ErrPermission)

	// ErrInvalid: the server refused a parameter; Error.Fields tells which and why.
	ErrInvalid = errors.New("invalid parameter")
	// ErrUnsupported: this server has no such call.
	ErrUnsupported = errors.New("not supported by this server")
	// ErrChanged: the config's digest is not the given one: somebody changed it meanwhile.
	ErrChanged = errors.New("changed by somebody else")
	// ErrProtected: the VM's protection option forbids it.
	ErrProtected = errors.New("protected")
	// ErrInUse: something else depends on it: linked clones, HA, a pool's members.
	ErrInUse = errors.New("in use")
	// ErrNoSpace: the storage is full.
	ErrNoSpace = errors.New("out of space")
	// ErrChecksum: a file is not the one that was expected; the text has both checksums. It was not kept.
	ErrChecksum = errors.New("wrong checksum")
	// ErrDownload: the server could not fetch a file.
	ErrDownload = errors.New("download failed")
	// ErrStorageBusy: the storage did not let go of a volume, or did not answer in time;
	// what it was asked for may still happen.
	ErrStorageBusy = errors.New("storage is busy")

	// ErrTransient: nothing was changed and the same call may succeed later.
	ErrTransient = errors.New("try again later")
	// ErrOutcomeUnknown: a change was sent and nobody can say whether it took effect.
	// Look before doing anything else.
	ErrOutcomeUnknown = errors.New("outcome unknown")
	// ErrHalfCreated: PVE took the VMID for the VM and did not begin to make it. The VM stays locked, in no pool, and only root can
	// remove it (pve-api findings-3 5, 6). Implies ErrOutcomeUnknown.
	ErrHalfCreated = fmt.Errorf("VM is half created: %w", ErrOutcomeUnknown)
	// ErrWorkerKilled: the task's worker died without a last word, so that nothing was taken back. Implies ErrOutcomeUnknown.
	ErrWorkerKilled = fmt.Errorf("worker was killed: %w", ErrOutcomeUnknown)
	// ErrInterrupted: the task was told to stop. What it had made may be left.
	ErrInterrupted = errors.New("task was stopped")
)
