package zvol

import (
	"context"
	"errors"
	"fmt"

	"labctl/pkg/remote"
)

// VM is the machine whose disk it is, through PVE's API.
type VM interface {
	// State is what PVE says of the VM now.
	State(ctx context.Context) (VMState, error)
	// Stop stops it. It is called only after every check that can be made while it runs.
	Stop(ctx context.Context) error
}

// Disk is the data disk of a VM, written to from the host.
type Disk struct {
	Host   Host
	VM     VM
	Wanted Wanted
	// Tell is called with what is worth knowing of the device, and with what is done.
	Tell func(text string)

	emptied bool // something was written past the guest's file system
}

// Emptied says that the guest's file system is no more: the VM has to be made ready anew.
func (d *Disk) Emptied() bool { return d.emptied }

// Examine asks every interlock that can be asked while the VM runs, and changes nothing. ID names the process on the host.
func (d *Disk) Examine(ctx context.Context, id string) error {
	held := hold(ctx, d.Host, d.Wanted, remote.Detached{ID: id})
	_, err := d.checkNow(ctx, held, true)
	return d.letGo(ctx, held, err)
}

// Trial runs fio on the disk. The first trial stops the VM, after every check that can be made before.
func (d *Disk) Trial(ctx context.Context, command remote.Detached) (remote.DetachedResult, error) {
	held, err := d.hold(ctx, command)
	if err != nil {
		return remote.DetachedResult{}, err
	}
	next := newToken()
	d.emptied = true
	if err := held.say(ctx, "trial "+next); err != nil {
		return remote.DetachedResult{}, err
	}
	result, err := held.wait()
	if err != nil {
		return result, err
	}
	d.Wanted.Token.Text = next
	return d.verify(ctx, result)
}

// Discard gives the disk's blocks back to the pool. ID names the process on the host.
func (d *Disk) Discard(ctx context.Context, id string) error {
	held, err := d.hold(ctx, remote.Detached{ID: id})
	if err != nil {
		return err
	}
	if err := held.say(ctx, "discard"); err != nil {
		return err
	}
	result, err := held.wait()
	if err == nil && result.ExitCode != 0 {
		err = held.failure()
	}
	return err
}

// hold opens the disk and has every interlock agree; the VM is stopped then, and the disk is held until the holder ends.
func (d *Disk) hold(ctx context.Context, command remote.Detached) (*holder, error) {
	held := hold(ctx, d.Host, d.Wanted, command)
	if err := d.check(ctx, held); err != nil {
		return nil, d.letGo(ctx, held, err)
	}
	return held, nil
}

// letGo ends a holder that is not to write, and returns why.
func (d *Disk) letGo(ctx context.Context, held *holder, why error) error {
	if held.hasEnded() {
		return why
	}
	if err := held.say(context.WithoutCancel(ctx), "end"); err != nil {
		return errors.Join(why, err)
	}
	_, err := held.wait()
	if why != nil {
		return why
	}
	return err
}

func (d *Disk) check(ctx context.Context, held *holder) error {
	running, err := d.checkNow(ctx, held, true)
	if err != nil || !running {
		return err
	}
	if err := d.VM.Stop(ctx); err != nil {
		return err
	}
	if err := held.say(ctx, "look"); err != nil {
		return err
	}
	_, err = d.checkNow(ctx, held, false)
	return err
}

// checkNow asks the host and PVE, and then the interlocks. Running says that the VM still has to be stopped.
func (d *Disk) checkNow(ctx context.Context, held *holder, first bool) (running bool, err error) {
	look, err := held.look(ctx)
	if err != nil {
		return false, err
	}
	vm, err := d.VM.State(ctx)
	if err != nil {
		return false, err
	}
	moment := BeforeWrite
	if first && !d.emptied {
		moment = BeforeStop
	}
	if err := Check(d.Wanted, vm, look, moment); err != nil {
		return false, err
	}
	if d.Wanted.Seen == (Identity{}) {
		for _, note := range look.Notes() {
			d.Tell(note)
		}
	}
	d.Wanted.Seen = look.Identity()
	return moment == BeforeStop, nil
}

// verify wants the volume to have taken what fio wrote, and nobody to have come between.
func (d *Disk) verify(ctx context.Context, result remote.DetachedResult) (remote.DetachedResult, error) {
	after, stderr, err := cutReport(result.Stderr)
	result.Stderr = stderr
	if err != nil {
		return result, fmt.Errorf("%s was held, but what was written where is not known: %w", d.Wanted.Device, err)
	}
	result.Started, result.Ended = after.times()
	vm, err := d.VM.State(ctx)
	if err != nil {
		return result, err
	}
	return result, d.Wanted.checkAfter(vm, after, result.Stdout)
}
