package pvesim

import (
	"errors"
	"fmt"
	"time"
)

// errBusy is what ZFS says of a volume that somebody has open.
var errBusy = errors.New("dataset is busy")

// allocate makes a volume inside the storage's lock. An empty name means the next free one.
func (c *Cluster) allocate(s *storage, name string, vmid int, size int64, made func(*volume)) step {
	create := func() (*volume, error) { return s.add(name, vmid, size, c.clock) }
	command := func(w *worker) error {
		if name == "" {
			name = s.freeName(vmid)
		}
		text := fmt.Sprintf("zfs create -s -V %dk %s/%s", size>>10, s.dataset, name)
		return c.storageCommand(w, storageCommand{s, "create", name, text, c.timings.Allocate, create, made})
	}
	return locked(storageLockFile(s), c.timings.LockStorage, command)
}

// linkedClone makes a clone of a base volume inside the storage's lock.
func (c *Cluster) linkedClone(base *volume, vmid int, made func(*volume)) step {
	s := base.storage
	name := ""
	create := func() (*volume, error) {
		v, err := s.add(name, vmid, base.size, c.clock)
		if err != nil {
			return nil, err
		}
		v.base, v.holdsSystem = base, base.holdsSystem
		return v, nil
	}
	command := func(w *worker) error {
		name = s.freeName(vmid)
		text := fmt.Sprintf("zfs clone %s/%s@__base__ %s/%s", s.dataset, base.name, s.dataset, name)
		return c.storageCommand(w, storageCommand{s, "clone", name, text, c.timings.CloneLinked, create, made})
	}
	return locked(storageLockFile(s), c.timings.LockStorage, command)
}

// storageCommand is one zfs command with its effect.
type storageCommand struct {
	storage   *storage
	operation string
	volume    string
	text      string
	takes     time.Duration
	effect    func() (*volume, error)
	made      func(*volume)
}

// storageCommand runs one zfs command. In a synchronous call it may take ten seconds, in a worker as long as it likes;
// the command itself goes on behind the time-out.
func (c *Cluster) storageCommand(w *worker, command storageCommand) error {
	delay, fault := c.volumeFault(command.operation, command.storage, command.volume)
	takes := command.takes + delay
	if fault != nil {
		w.do(sleepFor(takes), func(*worker) error {
			return command.storage.zfsError("create", command.volume, fault.Error())
		})
		return nil //nolint:nilerr // the worker fails with it later
	}
	if w.task == nil && takes > c.timings.SyncStorage {
		c.begin(nil, sleepFor(takes), func(*worker) error {
			_, err := command.effect() // comes into being, and nobody knows of it
			return err
		})
		w.do(sleepFor(c.timings.SyncStorage), func(*worker) error {
			return fmt.Errorf("command '%s' failed: got timeout", command.text)
		})
		return nil
	}
	w.do(sleepFor(takes), func(*worker) error {
		v, err := command.effect()
		if err == nil {
			command.made(v)
		}
		return err
	})
	return nil
}

// remove frees a volume inside the storage's lock. A busy volume is tried six times, all inside the lock: that is what
// makes others fail.
func (c *Cluster) remove(v *volume) step {
	return locked(storageLockFile(v.storage), c.timings.LockStorage, c.tryRemove(v, 1))
}

func (c *Cluster) tryRemove(v *volume, try int) step {
	const tries = 6
	return func(w *worker) error {
		if c.hasClones(v) {
			return fmt.Errorf("base volume '%s' is still in use by linked cloned", v.id()) // sic
		}
		delay, err := c.volumeFault("destroy", v.storage, v.name)
		w.do(sleepFor(c.timings.Free+delay), func(w *worker) error {
			if errors.Is(err, errBusy) && try < tries {
				w.do(sleepFor(c.timings.BusyRetry), c.tryRemove(v, try+1))
				return nil
			}
			if err != nil {
				return v.storage.zfsError("destroy", v.name, err.Error())
			}
			delete(v.storage.volumes, v.name)
			return nil
		})
		return nil
	}
}
