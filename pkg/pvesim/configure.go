package pvesim

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

func vmPath(vmid int) string { return fmt.Sprintf("/vms/%d", vmid) }

// change is a request to change a configuration.
type change struct {
	set    map[string]string
	remove []string
	revert []string
	force  bool
	text   string // the request as the task's log shows it
}

// requestKeys are parameters of config requests that are not configuration keys.
var requestKeys = []string{
	"node", "vmid", "digest", "background_delay", "skiplock", "delete", "revert", "force", "import-working-storage", "pool",
	"start", "archive", "storage", "unique", "bwlimit", "live-restore",
}

// putConfig is PUT .../config: synchronous, whatever it takes.
func putConfig(k *call) (any, error) {
	ch, err := k.readChange()
	if err != nil {
		return nil, err
	}
	check := func(*worker) error { return k.checkUnderLock() }
	return nil, k.perform(locked(vmLockFile(k.vmid()), k.timings.LockConfig, check, k.applyChange(ch)))
}

// postConfig is POST .../config: a task, whose end is waited for when a delay is given.
func postConfig(k *call) (any, error) {
	ch, err := k.readChange()
	if err != nil {
		return nil, err
	}
	var t *task
	start := func(w *worker) error {
		if err := k.checkUnderLock(); err != nil {
			return err
		}
		t, err = k.forkTask("qmconfig", fmt.Sprint(k.vmid()), inherited(vmLockFile(k.vmid()), w,
			func(w *worker) error { w.logf("update VM %d: %s", k.vmid(), ch.text); return nil },
			sleepFor(k.timings.Fork), k.applyChange(ch)))
		return err
	}
	if err := k.perform(locked(vmLockFile(k.vmid()), k.timings.LockConfig, start)); err != nil {
		return nil, err
	}
	delay := k.params.number("background_delay", 0)
	if delay == 0 {
		return t.upid, nil
	}
	// PVE compares whole seconds: the wait is up to a second shorter than asked for.
	limit := k.clock.Truncate(time.Second).Add(time.Duration(delay) * time.Second).Sub(k.clock)
	done, err := k.await(k.ctx, limit, func() bool { return !t.running() })
	switch {
	case err != nil:
		return nil, err
	case !done:
		return t.upid, nil
	case t.failed():
		return nil, failure("failed to update VM %d: %s", k.vmid(), t.status)
	}
	return nil, nil
}

// checkUnderLock is what is checked once nobody else can change the configuration.
func (k *call) checkUnderLock() error {
	v, err := k.vm()
	if err != nil {
		return err
	}
	if want := k.params.text("digest"); want != "" && want != v.digest() {
		return failure("checksum mismatch (file change by other user?)")
	}
	if k.params.flag("skiplock") {
		return nil
	}
	return v.checkLock()
}

// readChange takes the change from the request and does all checks that come before any lock.
func (k *call) readChange() (change, error) {
	ch := change{set: map[string]string{}, force: k.params.flag("force")}
	if k.params.has("skiplock") && !k.who.isRoot() {
		return ch, badParameter("skiplock", "Only root may use this option.")
	}
	ch.remove, ch.revert = k.params.list("delete"), k.params.list("revert")
	var words []string
	for _, key := range sortedKeys(k.params) {
		if slices.Contains(requestKeys, key) {
			continue
		}
		ch.set[key] = k.params.text(key)
		words = append(words, "-"+key+" "+ch.set[key])
	}
	if len(ch.remove) > 0 {
		words = append(words, "-delete "+k.params.text("delete"))
	}
	ch.text = strings.Join(words, " ")
	if len(ch.set)+len(ch.remove)+len(ch.revert) == 0 {
		return ch, failure("no options specified")
	}
	if err := k.checkChange(ch); err != nil {
		return ch, err
	}
	v, err := k.vm()
	if err == nil && k.major >= 9 && !k.params.flag("skiplock") {
		err = v.checkLock() // 8 looks only when it has the file lock
	}
	return ch, err
}

// checkChange does the checks that need no lock, in PVE's order.
func (k *call) checkChange(ch change) error {
	if err := checkSSHKeys(ch.set["sshkeys"]); err != nil {
		return err
	}
	for _, key := range ch.remove {
		if !k.knownConfigKey(key) {
			return badParameter("delete", "unknown option '%s'", key)
		}
		if _, both := ch.set[key]; both {
			return badParameter("delete", "you can't use '-%[1]s' and -delete %[1]s' at the same time", key) // sic
		}
	}
	if script := ch.set["hookscript"]; script != "" {
		if _, ok := k.volume(script); !ok {
			return badParameter("hookscript", "script '%s' does not exist\n", script)
		}
	}
	for _, key := range ch.remove {
		if err := k.checkKeyPermission(k.vmid(), "", key, ""); err != nil {
			return err
		}
	}
	for _, key := range sortedKeys(ch.set) {
		if err := k.checkKeyPermission(k.vmid(), "", key, ch.set[key]); err != nil {
			return err
		}
	}
	for _, key := range sortedKeys(ch.set) {
		if isDriveKey(key) {
			if err := k.checkDriveAccess(k.vmid(), parseDrive(ch.set[key])); err != nil {
				return err
			}
		}
	}
	return nil
}

// applyChange makes the change, key by key: when one fails, those before it stay set.
func (k *call) applyChange(ch change) step {
	return func(w *worker) error {
		v, err := k.vm()
		if err != nil {
			return err
		}
		var steps []step
		for _, key := range ch.revert {
			delete(v.pending, key)
			delete(v.removed, key)
		}
		for _, key := range ch.remove {
			steps = append(steps, k.removeKey(v, key, ch.force))
		}
		for _, key := range sortedKeys(ch.set) {
			steps = append(steps, k.setKey(v, key, ch.set[key]))
		}
		w.do(append(steps, func(*worker) error { k.applyPending(v); return nil })...)
		return nil
	}
}

// setKey sets one key, as pending at first.
func (k *call) setKey(v *vm, key, value string) step {
	return func(w *worker) error {
		switch {
		case isDriveKey(key):
			d := parseDrive(value)
			if err := k.checkDrivePermission(v, d); err != nil {
				return asTaskError(w, err)
			}
			w.do(k.placeDrive(v, key, d, func(text string) { k.setDrive(v, key, text) }), k.freeReplaced(v, parseDrive(v.config[key]), d))
			return nil
		case key == "tags":
			value = normalizeTags(value)
		case isNetKey(key):
			value = k.normalizeNet(value)
		}
		delete(v.removed, key)
		if key == "description" && value == "" {
			v.removed[key] = true // an empty one is not written
			return nil
		}
		v.pending[key] = value
		return nil
	}
}

// asTaskError spells a refusal inside a worker: there the status becomes part of the text.
func asTaskError(w *worker, err error) error {
	var e *apiError
	if errors.As(err, &e) && w.task != nil && e.status != 500 {
		return fmt.Errorf("%d %s", e.status, e.message)
	}
	return err
}

func (k *call) checkDrivePermission(v *vm, d drive) error {
	if d.isCDROM() && !d.isCloudinit() {
		return k.requireVM(v.id, "", "VM.Config.CDROM")
	}
	return k.requireVM(v.id, "", "VM.Config.Disk")
}

// setDrive puts a finished drive into the configuration; the one that was there becomes an unused disk.
func (k *call) setDrive(v *vm, key, text string) {
	placed := parseDrive(text)
	for _, other := range sortedKeys(v.config) {
		if isUnused(other) && v.config[other] == placed.volume {
			delete(v.config, other)
		}
	}
	if old, ok := v.config[key]; ok {
		if before := parseDrive(old); before.volume != placed.volume {
			k.keepUnused(v, before)
		}
	}
	delete(v.removed, key)
	v.pending[key] = text
}

// freeReplaced frees cloud-init's image when another drive takes its slot, if that works
// (PVE/QemuServer.pm, vmconfig_register_unused_drive).
func (k *call) freeReplaced(v *vm, before, placed drive) step {
	return func(w *worker) error {
		disk, known := k.volume(before.volume)
		if known && before.isCloudinit() && disk.vmid == v.id && before.volume != placed.volume {
			w.try(func(*worker, error) error { return nil }, k.remove(disk))
		}
		return nil
	}
}

// keepUnused notes the volume of a detached disk, unless it is only cloud-init's or a CD.
func (k *call) keepUnused(v *vm, d drive) {
	if d.isCDROM() || !d.hasVolume() {
		return
	}
	for i := 0; ; i++ {
		key := fmt.Sprintf("unused%d", i)
		if _, taken := v.config[key]; !taken {
			v.config[key] = d.volume
			return
		}
	}
}

// removeKey unsets one key. A disk is detached first; it goes for good when forced, or when it was unused already.
func (k *call) removeKey(v *vm, key string, force bool) step {
	return func(w *worker) error {
		delete(v.pending, key)
		value, set := v.config[key]
		if !set {
			return nil
		}
		if !isDriveKey(key) {
			v.removed[key] = true
			return nil
		}
		d := parseDrive(value)
		if err := k.checkDrivePermission(v, d); err != nil {
			return asTaskError(w, err)
		}
		if v.config["protection"] == "1" && !d.isCDROM() {
			if isUnused(key) {
				return failure("can't remove unused disk '%s' - protection mode enabled", key)
			}
			return failure("can't remove drive '%s' - protection mode enabled", key)
		}
		gone := func(*worker) error { delete(v.config, key); return nil }
		disk, known := k.volume(d.volume)
		if known && (isUnused(key) || force || d.isCloudinit()) && disk.vmid == v.id {
			w.do(k.remove(disk), gone)
			return nil
		}
		if !isUnused(key) {
			k.keepUnused(v, d)
		}
		return gone(w)
	}
}

// hotKeys take effect while a VM runs; disks and network devices do too.
var hotKeys = []string{"autostart", "description", "name", "onboot", "protection", "shares", "startup", "tags", "hookscript", "lock"}

// applyPending makes pending values effective: all when the VM is stopped, otherwise those that can be.
func (c *Cluster) applyPending(v *vm) {
	hot := func(key string) bool {
		return !v.running() || slices.Contains(hotKeys, key) || isDriveKey(key) || isNetKey(key) ||
			isCloudinitKey(key)
	}
	for key := range maps.Clone(v.removed) {
		if hot(key) {
			delete(v.config, key)
			delete(v.removed, key)
		}
	}
	for key, value := range maps.Clone(v.pending) {
		if hot(key) || v.config[key] == value {
			v.config[key] = value
			delete(v.pending, key)
		}
	}
}
