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
	return s.ready(locked(storageLockFile(s), c.timings.LockStorage, command))
}

// ready is a step that fails when its storage cannot be used.
func (s *storage) ready(work step) step {
	return func(w *worker) error {
		if err := s.unavailable(); err != nil {
			return err
		}
		w.do(work)
		return nil
	}
}

// linkedClone makes a clone of a base volume inside the storage's lock.
func (c *Cluster) linkedClone(base *volume, vmid int, made func(*volume)) step {
	s := base.storage
	name := ""
	create := func() (*volume, error) {
		format := "qcow2" // an overlay, whatever the base is (pve-storage 9.1.7, Storage/Plugin.pm, clone_image)
		if s.kind == "zfspool" {
			format = "raw"
		}
		v, err := s.addAs(format, name, vmid, base.size, c.clock)
		if err != nil {
			return nil, err
		}
		v.base, v.holdsSystem = base, base.holdsSystem
		return v, nil
	}
	command := func(w *worker) error {
		name = s.freeName(vmid)
		s.logOverlay(w, base, name, vmid)
		text := fmt.Sprintf("zfs clone %s/%s@__base__ %s/%s", s.dataset, base.name, s.dataset, name)
		return c.storageCommand(w, storageCommand{s, "clone", name, text, c.timings.CloneLinked, create, made})
	}
	return s.ready(locked(storageLockFile(s), c.timings.LockStorage, command))
}

// logOverlay is what a directory storage tells of a linked clone.
func (s *storage) logOverlay(w *worker, base *volume, name string, vmid int) {
	if s.kind == "zfspool" {
		return
	}
	backing := "../" + base.name
	w.logf("clone %s: images, %[2]s.qcow2, %d to %[2]s.qcow2 (base=%[4]s)", base.name, name, vmid, backing)
	w.logf("Formatting '%s/images/%d/%s.qcow2', fmt=qcow2 cluster_size=65536 extended_l2=off compression_type=zlib size=%d "+
		"backing_file=%s backing_fmt=%s lazy_refcounts=off refcount_bits=16", s.path, vmid, name, base.size, backing, base.format)
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

// storageCommand runs one zfs command. A worker waits for it as long as it takes, and a signal to the worker is one to the
// command too. A synchronous call waits ten seconds; the command goes on when the call is over, or its process is killed.
func (c *Cluster) storageCommand(w *worker, command storageCommand) error {
	delay, fault := c.volumeFault(command.operation, command.storage, command.volume)
	takes := command.takes + delay
	if fault != nil {
		w.do(sleepFor(takes), func(*worker) error {
			return command.storage.zfsError("create", command.volume, fault.Error())
		})
		return nil //nolint:nilerr // the worker fails with it later
	}
	if w.task == nil {
		c.detachedCommand(w, command, takes)
		return nil
	}
	w.try(func(_ *worker, err error) error {
		if interrupted(err) {
			return fmt.Errorf("zfs error: %w", err)
		}
		return err
	}, sleepFor(takes), func(*worker) error {
		v, err := command.effect()
		if err == nil {
			command.made(v)
		}
		return err
	})
	return nil
}

// detachedCommand runs a command as a process of its own, for which a synchronous call waits.
func (c *Cluster) detachedCommand(w *worker, command storageCommand, takes time.Duration) {
	var made *volume
	process := c.begin(nil, sleepFor(takes), func(*worker) error {
		v, err := command.effect() // when nobody waits any more, nobody knows of it
		made = v
		return err
	})
	w.do(sleepFor(min(takes, c.timings.SyncStorage)), func(*worker) error {
		switch {
		case takes > c.timings.SyncStorage:
			return fmt.Errorf("command '%s' failed: got timeout", command.text)
		case process.err != nil:
			return process.err
		}
		command.made(made)
		return nil
	})
}

// remove frees a volume inside the storage's lock. A busy volume is tried six times, all inside the lock: that is what
// makes others fail.
func (c *Cluster) remove(v *volume) step {
	return v.storage.ready(locked(storageLockFile(v.storage), c.timings.LockStorage, c.tryRemove(v, 1)))
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
