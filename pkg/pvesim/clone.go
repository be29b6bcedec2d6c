package pvesim

import (
	"fmt"
	"maps"
)

// cloneVM is POST .../clone. A template is cloned by linking unless full is asked for; a cloud-init drive is always
// made anew. The clone is locked until it is complete, and joins its pool as the very last thing.
func cloneVM(k *call) (any, error) {
	j := &cloneJob{call: k, id: k.params.number("newid", 0), target: k.params.text("storage"), pool: k.params.text("pool")}
	if err := j.check(); err != nil {
		return nil, err
	}
	limit := k.timings.LockClone
	inner := locked(vmLockFile(j.id), limit, j.run)
	outer := lockedShared(vmLockFile(j.source.id), limit, inner)
	if j.source.running() {
		outer = locked(vmLockFile(j.source.id), limit, inner)
	}
	return k.fork("qmclone", fmt.Sprint(j.source.id), outer)
}

// cloneJob is one clone under way.
type cloneJob struct {
	*call
	source *vm
	id     int
	target string
	pool   string
	onto   string // node that the clone is to be on; empty: the source's
	full   bool
	made   []*volume
	clone  *vm
}

// check does everything that fails before a worker is forked, in PVE's order.
func (j *cloneJob) check() error {
	if err := j.checkTarget(); err != nil {
		return err
	}
	v, ok := j.vms[j.vmid()]
	if !ok || v.node != j.node() {
		return failure("unable to find configuration file for VM %d on node '%s'", j.vmid(), j.node())
	}
	j.source = v
	if err := v.checkLock(); err != nil {
		return err
	}
	j.full = !v.template()
	if j.params.has("full") {
		j.full = j.params.flag("full")
	}
	for _, name := range []string{"storage", "format"} {
		if !j.full && j.params.has(name) {
			return failure("parameter '%s' not allowed for linked clones", name)
		}
	}
	if err := j.checkDevices(); err != nil {
		return err
	}
	if err := j.checkShared(); err != nil {
		return err
	}
	return j.checkFree()
}

// checkTarget looks at where the clone is to go.
func (j *cloneJob) checkTarget() error {
	if j.pool != "" {
		if _, ok := j.pools[j.pool]; !ok {
			return refused(fmt.Sprintf("pool '%s' does not exist", j.pool))
		}
	}
	j.onto = j.params.text("target")
	if j.onto != "" {
		if _, ok := j.nodeNamed(j.onto); !ok {
			return failure("no such cluster node '%s'", j.onto)
		}
	}
	if j.onto == j.node() {
		j.onto = ""
	}
	if j.target == "" {
		return nil
	}
	s, err := j.storageNamed(j.target)
	if err == nil && j.onto != "" && !s.shared {
		return failure("can't clone to non-shared storage '%s'", j.target)
	}
	return err
}

// checkShared fails when the clone is to go to another node, and a disk cannot be seen from there.
func (j *cloneJob) checkShared() error {
	for _, key := range j.source.drives() {
		d := parseDrive(j.source.config[key])
		disk, ok := j.volume(d.volume)
		if j.onto != "" && ok && !disk.storage.shared && j.target == "" {
			return failure("can't clone VM to node '%s' (VM uses local storage)", j.onto)
		}
	}
	return nil
}

// checkFree fails when the new VMID is taken.
func (j *cloneJob) checkFree() error {
	if _, taken := j.vms[j.id]; taken {
		return failure("unable to create VM %d: config file already exists", j.id)
	}
	return nil
}

// checkDevices looks at what will be copied: may it be linked, is there room to put it, may its bridge be used.
func (j *cloneJob) checkDevices() error {
	for _, key := range j.source.drives() {
		d := parseDrive(j.source.config[key])
		if !d.hasVolume() || d.isCDROM() && !d.isCloudinit() {
			continue
		}
		store, _, _ := splitVolume(d.volume)
		if j.target != "" {
			store = j.target
		}
		if err := j.require("/storage/"+store, "Datastore.AllocateSpace"); err != nil {
			return err
		}
		base, ok := j.volume(d.volume)
		linkable := ok && !isVMVolume(base)
		if !j.full && !d.isCloudinit() && !linkable {
			return failure("Linked clone feature is not supported for '%s' (%s)", d.volume, key)
		}
	}
	for _, key := range sortedKeys(j.source.config) {
		if isNetKey(key) {
			if err := j.requireBridge(j.source.config[key]); err != nil {
				return err
			}
		}
	}
	return nil
}

// isVMVolume reports whether a volume belongs to an ordinary VM rather than to a template.
func isVMVolume(v *volume) bool {
	m := zvolName.FindStringSubmatch(v.name)
	return m == nil || m[2][0] == 'v'
}

// run is the worker behind the locks.
func (j *cloneJob) run(w *worker) error {
	if err := j.checkFree(); err != nil {
		return err
	}
	if j.major >= 9 {
		w.logf("creating a clone of VM %d with ID %d", j.source.id, j.id)
	}
	j.clone = j.newVM(j.id, j.node())
	j.clone.config = map[string]string{"lock": "clone", "description": " qmclone temporary file"}
	j.vms[j.id] = j.clone
	steps := []step{sleepFor(j.timings.Fork), j.writeConfig}
	for _, key := range j.source.drives() {
		steps = append(steps, j.cloneDrive(key))
	}
	w.try(j.undo, append(steps, j.finish)...)
	return nil
}

// writeConfig writes the first real configuration: everything but the disks.
func (j *cloneJob) writeConfig(*worker) error {
	config := maps.Clone(j.source.config)
	for key := range j.source.config {
		if isDriveKey(key) {
			delete(config, key)
		}
	}
	for _, key := range sortedKeys(config) {
		if isNetKey(key) {
			config[key] = j.withNewMAC(config[key])
		}
	}
	delete(config, "template")
	config["lock"] = "clone"
	config["smbios1"], config["vmgenid"] = "uuid="+j.uuid(), j.uuid()
	config["name"] = j.params.text("name")
	if config["name"] == "" {
		config["name"] = "Copy-of-VM-" + j.source.name()
	}
	if description := j.params.text("description"); description != "" {
		config["description"] = description
	}
	j.clone.config = config
	return nil
}

// cloneDrive copies one drive and writes it down.
func (j *cloneJob) cloneDrive(key string) step {
	d := parseDrive(j.source.config[key])
	return func(w *worker) error {
		from, ok := j.volume(d.volume)
		if d.isCDROM() && !d.isCloudinit() || !d.hasVolume() {
			j.clone.config[key] = d.String()
			return nil
		}
		if !ok {
			return fmt.Errorf("volume '%s' does not exist", d.volume)
		}
		kind := "full"
		if !j.full && !d.isCloudinit() {
			kind = "linked"
		}
		w.logf("create %s clone of drive %s (%s)", kind, key, d.volume)
		write := func(made *volume) {
			j.made = append(j.made, made)
			d.volume = made.id()
			d.setSize(made.size)
			j.clone.config[key] = d.String()
		}
		w.do(j.copySteps(w, from, d, kind, write)...)
		return nil
	}
}

func (j *cloneJob) copySteps(w *worker, from *volume, d drive, kind string, write func(*volume)) []step {
	if kind == "linked" {
		return []step{j.linkedClone(from, j.id, write)}
	}
	s, name := from.storage, ""
	if j.target != "" {
		s, _ = j.storageNamed(j.target) // checked before
	}
	if d.isCloudinit() {
		name = fmt.Sprintf("vm-%d-cloudinit", j.id)
	}
	var made *volume
	note := func(v *volume) {
		made = v
		j.made = append(j.made, v)
		made.holdsSystem = from.holdsSystem
		if j.major >= 9 {
			w.logf("allocated target volume '%s'", v.id())
		}
	}
	steps := []step{j.allocate(s, name, j.id, from.size, note)}
	if !d.isCloudinit() {
		steps = append(steps, func(w *worker) error {
			w.do(j.copyDisk(from.size, j.params.number("bwlimit", 0), from.devicePath(), made))
			return nil
		})
	}
	return append(steps, func(*worker) error {
		j.made = j.made[:len(j.made)-1]
		write(made)
		return nil
	})
}

// finish gives the clone free and puts it into its pool.
func (j *cloneJob) finish(*worker) error {
	delete(j.clone.config, "lock")
	if j.onto != "" {
		j.clone.node = j.onto // the configuration file moves at the very end
	}
	if p, ok := j.pools[j.pool]; ok {
		p.add(j.id)
	}
	return nil
}

// undo removes what was made so far. An interrupted copy ends with words of its own.
func (j *cloneJob) undo(w *worker, err error) error {
	var steps []step
	for _, v := range j.made {
		steps = append(steps, j.removeOrSay(v))
	}
	w.do(append(steps, func(*worker) error {
		delete(j.vms, j.id)
		return fmt.Errorf("clone failed: %w", err)
	})...)
	return nil
}
