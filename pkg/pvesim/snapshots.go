package pvesim

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// snapshot is a state of a VM that can be returned to.
type snapshot struct {
	name        string
	description string
	taken       time.Time
	parent      string
	vmstate     bool
	config      map[string]string
}

func (v *vm) snapshotNamed(name string) (*snapshot, bool) {
	i := slices.IndexFunc(v.snapshots, func(s *snapshot) bool { return s.name == name })
	if i < 0 {
		return nil, false
	}
	return v.snapshots[i], true
}

// snapshotRow is a snapshot in a list; the last row stands for the present.
type snapshotRow struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Parent      string `json:"parent,omitempty"`
	SnapTime    int64  `json:"snaptime,omitempty"`
	VMState     *int   `json:"vmstate,omitempty"`
	Digest      string `json:"digest,omitempty"`
	Running     *int   `json:"running,omitempty"`
}

// listSnapshots is GET .../snapshot.
func listSnapshots(k *call) (any, error) {
	v, err := k.vm()
	if err != nil {
		return nil, err
	}
	list := []snapshotRow{}
	for _, s := range v.snapshots {
		state := bit(s.vmstate)
		list = append(list, snapshotRow{
			Name: s.name, Description: s.description, Parent: s.parent, SnapTime: s.taken.Unix(), VMState: &state,
		})
	}
	running := bit(v.running())
	return append(list, snapshotRow{
		Name: "current", Description: "You are here!", Parent: v.config["parent"], Digest: v.digest(), Running: &running,
	}), nil
}

// takeSnapshot is POST .../snapshot. All checks are the task's.
func takeSnapshot(k *call) (any, error) {
	name := k.params.text("snapname")
	if name == "current" || name == "pending" {
		return nil, failure("unable to use snapshot name '%s' (reserved name)", name)
	}
	return k.powerTask("qmsnapshot", func(w *worker) error {
		v, err := k.vm()
		if err != nil {
			return err
		}
		if err := v.checkLock(); err != nil {
			return err
		}
		if _, taken := v.snapshotNamed(name); taken {
			return fmt.Errorf("snapshot name '%s' already used", name)
		}
		withRAM := k.params.flag("vmstate") && v.running()
		if withRAM {
			w.logf("saving VM state and RAM using storage '%s'", k.stateStorage(v))
			w.logf("completed saving the VM state in 0s, saved 128.00 MiB")
		}
		w.do(sleepFor(k.timings.Fork), func(w *worker) error {
			for _, key := range v.drives() {
				if d := parseDrive(v.config[key]); d.hasVolume() && !d.isCDROM() {
					w.logf("snapshotting 'drive-%s' (%s)", key, d.volume)
				}
			}
			v.snapshots = append(v.snapshots, &snapshot{
				name: name, description: k.params.text("description"), taken: k.clock, parent: v.config["parent"],
				vmstate: withRAM, config: maps.Clone(v.config),
			})
			v.config["parent"] = name
			return nil
		})
		return nil
	})
}

// stateStorage is where the memory of a VM is saved: beside its disks.
func (k *call) stateStorage(v *vm) string {
	d, _ := v.bootDisk()
	name, _, _ := splitVolume(d.volume)
	return name
}

// rollBack is POST .../snapshot/{snapname}/rollback.
func rollBack(k *call) (any, error) {
	return k.onSnapshot("qmrollback", func(w *worker, v *vm, s *snapshot) error {
		w.do(sleepFor(k.timings.Fork), func(*worker) error {
			if err := k.powerOff(v); err != nil {
				return err
			}
			v.config = maps.Clone(s.config)
			v.config["parent"] = s.name
			return nil
		})
		return nil
	})
}

// deleteSnapshot is DELETE .../snapshot/{snapname}.
func deleteSnapshot(k *call) (any, error) {
	return k.onSnapshot("qmdelsnapshot", func(w *worker, v *vm, s *snapshot) error {
		w.do(sleepFor(k.timings.Fork), func(*worker) error {
			v.snapshots = slices.DeleteFunc(v.snapshots, func(have *snapshot) bool { return have == s })
			for _, other := range v.snapshots {
				if other.parent == s.name {
					other.parent = s.parent
				}
			}
			if v.config["parent"] == s.name {
				v.config["parent"] = s.parent
				if s.parent == "" {
					delete(v.config, "parent")
				}
			}
			return nil
		})
		return nil
	})
}

func (k *call) onSnapshot(kind string, work func(*worker, *vm, *snapshot) error) (any, error) {
	name := k.params.text("snapname")
	return k.powerTask(kind, func(w *worker) error {
		v, err := k.vm()
		if err != nil {
			return err
		}
		if err := v.checkLock(); err != nil {
			return err
		}
		s, ok := v.snapshotNamed(name)
		if !ok {
			return fmt.Errorf("snapshot '%s' does not exist", name)
		}
		if k.vms[v.id] != v {
			return errors.New("VM is gone")
		}
		return work(w, v, s)
	})
}
