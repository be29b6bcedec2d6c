package pvesim

import (
	"errors"
	"fmt"
	"strings"
)

// resizeDisk is PUT .../resize. It always answers with a task; only that fails.
func resizeDisk(k *call) (any, error) {
	return k.powerTask("resize", func(w *worker) error {
		v, err := k.vm()
		if err != nil {
			return err
		}
		if err := k.checkUnderLock(); err != nil {
			return err
		}
		key := k.params.text("disk")
		d := parseDrive(v.config[key])
		disk, ok := k.volume(d.volume)
		if !ok {
			return fmt.Errorf("disk '%s' does not exist", key)
		}
		if err := k.require("/storage/"+disk.storage.name, "Datastore.AllocateSpace"); err != nil {
			return err
		}
		wanted, err := newSize(disk.size, k.params.text("size"))
		if err != nil {
			return err
		}
		if wanted < disk.size {
			w.do(sleepFor(k.timings.Fork), func(*worker) error { return errors.New("shrinking disks is not supported") })
			return nil
		}
		w.do(sleepFor(k.timings.Resize), func(*worker) error {
			disk.size = wanted
			d.setSize(wanted)
			v.config[key] = d.String()
			return nil
		})
		return nil
	})
}

// newSize is the size that "+1G" or "4G" means for a disk.
func newSize(now int64, text string) (int64, error) {
	number, more := strings.CutPrefix(text, "+")
	size, ok := parseSize(number)
	if !ok {
		return 0, fmt.Errorf("invalid size string '%s'", text)
	}
	if more {
		size += now
	}
	return size, nil
}

// unlinkDisks is PUT .../unlink.
func unlinkDisks(k *call) (any, error) {
	v, err := k.vm()
	if err != nil {
		return nil, err
	}
	var steps []step
	for _, key := range k.params.list("idlist") {
		steps = append(steps, k.removeKey(v, key, k.params.flag("force")))
	}
	check := func(*worker) error { return k.checkUnderLock() }
	return nil, k.perform(locked(vmLockFile(v.id), k.timings.LockConfig, append([]step{check}, steps...)...))
}

// makeTemplate is POST .../template: the disks become base volumes under other names.
func makeTemplate(k *call) (any, error) {
	v, err := k.vm()
	if err != nil {
		return nil, err
	}
	if err := v.checkLock(); err != nil {
		return nil, err
	}
	if v.template() {
		return nil, failure("you can't convert a template to a template")
	}
	if v.running() {
		return nil, failure("you can't convert a VM to template if VM is running")
	}
	convert := func(*worker) error {
		for _, key := range v.drives() {
			d := parseDrive(v.config[key])
			disk, ok := k.volume(d.volume)
			if !ok || d.isCDROM() {
				continue
			}
			delete(disk.storage.volumes, disk.name)
			disk.name = strings.Replace(disk.name, "vm-", "base-", 1)
			disk.storage.volumes[disk.name] = disk
			d.volume = disk.id()
			v.config[key] = d.String()
		}
		v.config["template"] = "1"
		return nil
	}
	return k.fork("qmtemplate", fmt.Sprint(v.id),
		locked(vmLockFile(v.id), k.timings.LockConfig, sleepFor(k.timings.Fork), convert))
}
