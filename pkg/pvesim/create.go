package pvesim

import (
	"fmt"
	"slices"
	"strings"
)

// createVM is POST /nodes/{node}/qemu. The VMID is claimed at once, before any worker runs; a request with nothing but
// a VMID makes an empty VM.
func createVM(k *call) (any, error) {
	id, poolName := k.vmid(), k.params.text("pool")
	set := map[string]string{}
	for _, key := range sortedKeys(k.params) {
		if !slices.Contains(requestKeys, key) {
			set[key] = k.params.text(key)
		}
	}
	if err := k.checkCreate(id, poolName, set); err != nil {
		return nil, err
	}
	if _, taken := k.vms[id]; taken {
		return nil, failure("unable to create VM %d - VM %d already exists on node '%s'", id, id, k.vms[id].node)
	}
	v := k.newVM(id, k.node())
	v.config["lock"] = "create" // claimed before the worker is forked: stays when there is none (qemu-server 9.2.6, API2/Qemu.pm:1374)
	k.vms[id] = v
	build := func(w *worker) error { //nolint:unparam // a step
		draft := k.newVM(id, k.node()) // the file is written when everything is made
		w.try(k.undoCreate(draft), append(k.buildSteps(draft, set), func(*worker) error {
			k.finishCreate(draft, set)
			v.config = draft.config
			return nil
		})...)
		return nil
	}
	enter := func(w *worker) error {
		if p, ok := k.pools[poolName]; ok {
			p.add(id)
		}
		if k.params.flag("start") {
			w.do(k.startSteps(id)...)
		}
		return nil
	}
	// Whatever fails, the claimed configuration goes (API2/Qemu.pm, create_vm: unlink in the worker).
	unclaim := func(_ *worker, err error) error {
		if k.vms[id] == v {
			delete(k.vms, id)
		}
		return err
	}
	return k.fork("qmcreate", fmt.Sprint(id), func(w *worker) error {
		w.try(unclaim, locked(vmLockFile(id), k.timings.LockCreate, sleepFor(k.timings.Fork), build))
		return nil
	}, enter)
}

// undoCreate removes the disks that were made before something failed, and the configuration.
func (k *call) undoCreate(v *vm) func(*worker, error) error {
	return func(w *worker, err error) error {
		var steps []step
		for _, key := range v.drives() {
			if disk, ok := k.volume(parseDrive(v.config[key]).volume); ok && disk.vmid == v.id {
				steps = append(steps, k.removeOrSay(disk))
			}
		}
		w.do(append(steps, func(*worker) error {
			delete(k.vms, v.id)
			return fmt.Errorf("unable to create VM %d - %w", v.id, err)
		})...)
		return nil
	}
}

// checkCreate does the checks of a create in PVE's order.
func (k *call) checkCreate(id int, poolName string, set map[string]string) error {
	if poolName != "" {
		if _, ok := k.pools[poolName]; !ok {
			return refused(fmt.Sprintf("pool '%s' does not exist", poolName))
		}
	}
	if !k.holds(vmPath(id), "VM.Allocate") && !(poolName != "" && k.holds("/pool/"+poolName, "VM.Allocate")) && !k.who.isRoot() {
		return refused("")
	}
	if err := checkSSHKeys(set["sshkeys"]); err != nil {
		return err
	}
	for _, key := range sortedKeys(set) {
		if !isDriveKey(key) {
			if err := k.checkKeyPermission(id, poolName, key, set[key]); err != nil {
				return err
			}
			continue
		}
		if err := k.checkDriveAccess(id, parseDrive(set[key])); err != nil {
			return err
		}
	}
	return nil
}

// buildSteps makes the disks one by one.
func (k *call) buildSteps(v *vm, set map[string]string) []step {
	var steps []step
	for _, key := range sortedKeys(set) {
		value := set[key]
		switch {
		case isDriveKey(key):
			steps = append(steps, k.placeDrive(v, key, parseDrive(value), func(text string) { v.config[key] = text }))
			continue
		case key == "tags":
			value = normalizeTags(value)
		case isNetKey(key):
			value = k.normalizeNet(value)
		}
		steps = append(steps, func(*worker) error { v.config[key] = value; return nil })
	}
	return steps
}

// finishCreate adds what every VM has and gives it free.
func (k *call) finishCreate(v *vm, set map[string]string) {
	v.config["meta"] = k.meta()
	if _, given := set["smbios1"]; !given {
		v.config["smbios1"] = "uuid=" + k.uuid()
	}
	if _, given := set["vmgenid"]; !given {
		v.config["vmgenid"] = k.uuid()
	}
	if _, given := set["boot"]; !given {
		v.config["boot"] = v.defaultBoot()
	}
}

// defaultBoot is the boot order of a VM for which none was given: first disk, first CD, first network device.
func (v *vm) defaultBoot() string {
	var order []string
	for _, wantCD := range []bool{false, true} {
		for _, key := range v.drives() {
			if d := parseDrive(v.config[key]); d.isCDROM() == wantCD && !d.isCloudinit() {
				order = append(order, key)
				break
			}
		}
	}
	for _, key := range sortedKeys(v.config) {
		if isNetKey(key) {
			order = append(order, key)
			break
		}
	}
	if len(order) == 0 {
		return " "
	}
	return "order=" + strings.Join(order, ";")
}
