package change

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"labctl/pkg/internal/pause"
	"labctl/pkg/lab/journal"
	"labctl/pkg/lab/plan"
	"labctl/pkg/lab/teardown"
	"labctl/pkg/pve"
)

// probeRounds is how often leftover volumes are removed and looked for again.
const probeRounds = 3

// errUnmade is why volumes under our VMID are left alone.
var errUnmade = errors.New("volumes with this VMID's name were found that nothing proves to be labctl's: look at them before removing them, or leave one that is somebody else's with `labctl down --leave VOLUME`")

// errBesideStrangers is why volumes of ours are left alone.
var errBesideStrangers = errors.New("a volume that was there before has this VMID's name too, and PVE frees all of them or none")

// errUnproved is why volumes under a VMID that only the server's task list speaks of are left alone.
var errUnproved = errors.New("the state of this lab is lost, and only the server's task list says that this token destroyed a VM with this VMID: look at the volumes before removing them, or leave one that is somebody else's with `labctl down --leave VOLUME`")

// ErrUnprovedProbe is why an empty VM of ours counts as left: its creation got no proper answer, and it is neither gone nor readable.
var ErrUnprovedProbe = errors.New("labctl asked for an empty VM there, to look for volumes; PVE took the VMID and did not make the VM, which stays locked and in no pool")

// prove shows that no volume of a destroyed VM is left. A token whose rights come from the pool sees no volume of a VMID
// that has no VM, so an empty VM claims the VMID in our pool for the moment of looking; destroying it frees what is left under that
// VMID's name (pve-api lab-findings §22, §23). The VMID is one that this lab made itself, and its volumes are looked at first.
func (e *Executor) prove(ctx context.Context, name string, ref pve.VMRef, where shelf, step plan.Prove) error {
	if step.Beside {
		return errors.Join(e.proveBeside(ctx, name, ref, where), e.unlooked(name, ref, where))
	}
	var left []pve.Volume
	for round := range probeRounds {
		if err := e.awaitHolder(ctx, left, round); err != nil {
			return &LeftoverError{VM: name, Ref: ref, Volumes: left, Err: err}
		}
		err := e.probe(ctx, name, ref)
		switch {
		case errors.Is(err, pve.ErrExists) && e.Journal.State().Known(int(ref.ID)).Unproved:
			return e.leftover(name, ref, ErrUnprovedProbe)
		case errors.Is(err, pve.ErrExists) && step.LookOnly:
			return nil // somebody made a VM there since: nothing says that it has to do with us
		case errors.Is(err, pve.ErrExists) && e.proveBeside(ctx, name, ref, where) == nil:
			return nil // somebody took the VMID since the destroy, and everything under it is in that VM's configuration
		}
		if err != nil {
			left := e.leftover(name, ref, err)
			left.Unproved = errors.Is(err, pve.ErrExists)
			return left
		}
		found, lookErr := e.volumes(ctx, ref, where.storages)
		if err := e.removeProbe(ctx, name, ref, found, where, step); err != nil {
			return e.leftover(name, ref, err)
		}
		if lookErr != nil {
			return e.leftover(name, ref, lookErr)
		}
		volumes := e.judged(ref.ID, found)
		verdict, reported := teardown.AfterLook(step, volumes)
		if verdict != teardown.LookAgain {
			return errors.Join(e.afterLook(name, ref, verdict, reported, volumes.Theirs), e.unlooked(name, ref, where))
		}
		if len(where.away) > 0 {
			return &LeftoverError{VM: name, Ref: ref, Volumes: reported, Err: fmt.Errorf("PVE frees what no configuration names only while every storage answers: storage %s: %w", where.away[0], errAway)}
		}
		left = reported
	}
	return &LeftoverError{VM: name, Ref: ref, Volumes: left, Err: errHeld}
}

// errHeld is why volumes of ours are still there.
var errHeld = errors.New("PVE did not free its volumes, as when something on the node has them open: look there with `fuser` or `lsof`, and in the log of the VM's last qmdestroy task")

// holderPause is how long after a look that found volumes of ours the next one comes, for the first time. PVE itself tries for 6 s to
// destroy a dataset that is busy (ZFSPoolPlugin, zfs_delete_zvol).
const holderPause = 10 * time.Second

// awaitHolder gives whoever holds volumes of ours time to let go of them.
func (e *Executor) awaitHolder(ctx context.Context, left []pve.Volume, round int) error {
	if round == 0 || len(left) == 0 {
		return nil
	}
	wait := time.Duration(round) * holderPause
	e.Observer.Line("volume %s is still there: PVE does not free it while it is busy; trying again in %s", left[0].ID, wait)
	return pause.For(ctx, wait)
}

// afterLook turns the verdict of a look into an error, unless nothing of ours is left.
func (e *Executor) afterLook(name string, ref pve.VMRef, verdict teardown.Verdict, reported, theirs []pve.Volume) error {
	why := map[teardown.Verdict]error{teardown.OnlyListed: errUnproved, teardown.Undecided: errUnmade, teardown.BesideOthers: errBesideStrangers}[verdict]
	if why != nil {
		return &LeftoverError{VM: name, Ref: ref, Volumes: reported, Err: why}
	}
	for _, volume := range theirs {
		if slices.Contains(e.Words.Leave, volume.ID) {
			e.Observer.Line("volume %s is left alone, as --leave says", volume.ID)
			continue
		}
		e.Observer.Line("volume %s was there before VM %d was made: left alone", volume.ID, ref.ID)
	}
	return nil
}

// judged sorts the volumes under a VMID by their owner, as far as the journal and the person at work tell.
func (e *Executor) judged(id pve.VMID, found []pve.Volume) teardown.Volumes {
	return teardown.JudgeVolumes(e.Journal.State().Known(int(id)), e.Words, found)
}

// removeProbe destroys the empty VM, and with it the volumes that are ours. Only when it frees something does it queue
// with the other destroys.
func (e *Executor) removeProbe(ctx context.Context, name string, ref pve.VMRef, found []pve.Volume, where shelf, step plan.Prove) error {
	volumes := e.judged(ref.ID, found)
	if len(volumes.Ours) == 0 || len(volumes.NotOurs()) > 0 || len(where.away) > 0 || step.LookOnly {
		destroy := e.destroyChange(name, ref, false)
		destroy.work = "empty"
		return e.do(ctx, destroy)
	}
	return e.freeing(ctx, ref.Node, func() error { return e.destroyWith(ctx, name, ref, true, nil) })
}

// probe makes the empty VM, unless the one of an earlier round is still there.
func (e *Executor) probe(ctx context.Context, name string, ref pve.VMRef) error {
	err := e.do(ctx, e.probeChange(name, ref))
	if errors.Is(err, pve.ErrExists) {
		if ours, lookErr := e.isOurs(ctx, ref); ours && lookErr == nil {
			return nil
		}
	}
	return err
}

func (e *Executor) probeChange(name string, ref pve.VMRef) change {
	empty := pve.EmptyVM{VMRef: ref, Pool: e.Pool, Name: fmt.Sprintf("%s-probe-%d", e.Mark.Lab, ref.ID), Description: e.mark(name, ref.ID)}
	return change{
		op: journal.OpProbe, vm: name, ref: ref,
		send:     tasked(func(ctx context.Context) (pve.UPID, error) { return e.API.CreateEmptyVM(ctx, empty) }),
		happened: func(ctx context.Context) (bool, error) { return e.isOurs(ctx, ref) },
		tasks:    pve.TaskFilter{VMID: ref.ID},
		claims:   true, again: true,
	}
}

// errTaken is why our volumes cannot be looked for.
var errTaken = errors.New("the VM there is somebody else's now and was left alone, so that nobody can tell whether volumes of ours are left: look at what lies under the VMID, and when none is the lab's say so with `labctl down --leave VMID`")

// proveBeside shows that no volume of ours is left under a VMID that somebody else's VM has by now: all volumes that are
// named so are in that VM's configuration. The list is believed only when it has all disks of the configuration.
func (e *Executor) proveBeside(ctx context.Context, name string, ref pve.VMRef, where shelf) error {
	unproved := &LeftoverError{VM: name, Ref: ref, Unproved: true, Err: errTaken}
	config, err := e.API.VMConfig(ctx, ref)
	if err != nil {
		return unproved
	}
	found, err := e.volumes(ctx, ref, where.storages)
	if err != nil {
		return unproved
	}
	drives := slices.DeleteFunc(config.Drives(), func(drive pve.Drive) bool {
		return !strings.Contains(drive.Volume, fmt.Sprintf("vm-%d-", ref.ID)) // an ISO image, or a disk of another VM
	})
	for _, drive := range drives {
		if !slices.ContainsFunc(found, func(v pve.Volume) bool { return v.ID == drive.Volume }) {
			return unproved
		}
	}
	unused := slices.DeleteFunc(found, func(v pve.Volume) bool {
		return slices.ContainsFunc(slices.Collect(maps.Values(config.Raw)), func(value string) bool { return strings.Contains(value, v.ID) })
	})
	if len(drives) == 0 || len(unused) > 0 || config.Lock() != "" {
		return unproved
	}
	return nil
}
