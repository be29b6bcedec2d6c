package pvesim

import "fmt"

// destroyVM is DELETE .../qemu/{vmid}.
func destroyVM(k *call) (any, error) {
	v, err := k.vm()
	if err != nil {
		return nil, err
	}
	if k.params.has("skiplock") && !k.who.isRoot() {
		return nil, badParameter("skiplock", "Only root may use this option.")
	}
	if v.config["protection"] == "1" {
		return nil, failure("can't remove VM %d - protection mode enabled", v.id)
	}
	if v.byHA && !k.params.flag("purge") {
		return nil, failure("unable to remove VM %d - used in HA resources and purge parameter not set.", v.id)
	}
	if v.running() {
		return nil, failure("VM %d is running - destroy failed", v.id)
	}
	work := func(w *worker) error {
		if k.vms[v.id] != v {
			return fmt.Errorf("Configuration file 'nodes/%s/qemu-server/%d.conf' does not exist", k.node(), v.id) //nolint:staticcheck // PVE's own words
		}
		if v.running() {
			return fmt.Errorf("VM %d is running - destroy failed", v.id)
		}
		if !k.params.flag("skiplock") {
			if err := v.checkLock(); err != nil {
				return err
			}
		}
		return k.destroy(w, v)
	}
	return k.fork("qmdestroy", fmt.Sprint(v.id), locked(vmLockFile(v.id), k.timings.LockConfig, work))
}

// destroy removes the VM. A volume that cannot be removed is only mentioned: the VM is gone all the same, and the task
// ends as if all were well (8) or with a number of warnings (9).
func (k *call) destroy(w *worker, v *vm) error {
	w.do(sleepFor(k.timings.Destroy), func(w *worker) error { return k.destroyVolumes(w, v) })
	return nil
}

func (k *call) destroyVolumes(w *worker, v *vm) error {
	var own []*volume
	for _, key := range sortedKeys(v.config) {
		disk, known := k.volume(parseDrive(v.config[key]).volume)
		if !isDriveKey(key) || !known || disk.vmid != v.id {
			continue
		}
		if k.hasClones(disk) {
			return fmt.Errorf("base volume '%s' is still in use by linked cloned", disk.id()) // sic
		}
		own = append(own, disk)
	}
	var steps []step
	for _, disk := range own {
		steps = append(steps, k.removeOrMention(disk, "Could not remove disk '"+disk.id()+"', check manually: "))
	}
	if k.params.flag("destroy-unreferenced-disks") {
		steps = append(steps, func(w *worker) error {
			if err := k.activateAll(v.node); err != nil {
				return err
			}
			var more []step
			for _, disk := range k.volumesOf(v.node, v.id) { // by name, on all storages, whoever uses them
				more = append(more, k.removeOrMention(disk, ""))
			}
			w.do(more...)
			return nil
		})
	}
	w.do(append(steps, func(w *worker) error { return k.forget(w, v) })...)
	return nil
}

// activateAll fails when a storage for images that is not switched off does not answer: a list of all volumes of a VM
// begins with activating every one (pve-storage 9.1.7, Storage.pm:1241-1253, vdisk_list; qemu-server 9.2.6,
// QemuServer.pm:1907, destroy_vm).
func (k *call) activateAll(node string) error {
	for _, s := range k.storagesOn(node) {
		if err := s.unavailable(); err != nil && !s.disabled && s.offers("images") {
			return err
		}
	}
	return nil
}

// removeOrMention removes a volume, or says that it could not.
func (k *call) removeOrMention(disk *volume, prefix string) step {
	return func(w *worker) error {
		if disk.storage.volumes[disk.name] != disk {
			return nil
		}
		w.try(func(w *worker, err error) error {
			w.warnf("%s%v", prefix, err)
			return nil
		}, k.remove(disk))
		return nil
	}
}

// removeOrSay removes a volume of something that failed. When it cannot be removed the log says so, and it stays
// (API2/Qemu.pm, clone_vm and create_vm: vdisk_free in an eval, then warn).
func (k *call) removeOrSay(disk *volume) step {
	return func(w *worker) error {
		w.try(func(w *worker, err error) error {
			w.logf("%v", err)
			return nil
		}, k.remove(disk))
		return nil
	}
}

// forget removes the configuration and everything that names the VM.
func (k *call) forget(w *worker, v *vm) error {
	delete(k.vms, v.id)
	for _, p := range k.pools {
		p.remove(v.id)
	}
	k.access.forgetPath(v.path())
	if k.params.flag("purge") {
		w.logf("purging VM %d from related configurations..", v.id)
	}
	if err := k.guests.Discard(v.id); err != nil {
		k.logger.Warn("guest left something behind", "vmid", v.id, "error", err)
	}
	return nil
}
