package pvesim

import (
	"fmt"
	"maps"
	"regexp"
	"strings"
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
	clone  *vm               // as its configuration file is now
	config map[string]string // the whole configuration, which is written after each disk
}

// check does everything that fails before a worker is forked, in PVE's order (qemu-server 9.2.6, API2/Qemu.pm:4455-4580).
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
	for _, check := range []func() error{j.checkStorages, j.checkBridges, j.checkModel, j.checkShared, j.checkFree, j.checkFeatures} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
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

// checkStorages asks for space on the storage of every disk that will be copied.
func (j *cloneJob) checkStorages() error {
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
	}
	return nil
}

func (j *cloneJob) checkBridges() error {
	for _, key := range sortedKeys(j.source.config) {
		if isNetKey(key) {
			if err := j.requireBridge(j.source.config[key]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (j *cloneJob) checkModel() error { return j.requireModel(j.source.config["cpu"], "") }

// checkFeatures fails when a disk cannot be copied or linked: only the disks of templates can be linked.
func (j *cloneJob) checkFeatures() error {
	for _, key := range j.source.drives() {
		d := parseDrive(j.source.config[key])
		if !d.hasVolume() || d.isCDROM() {
			continue
		}
		base, ok := j.volume(d.volume)
		if !j.full && !(ok && base.isBase()) {
			return failure("Linked clone feature is not supported for '%s' (%s)", d.volume, key)
		}
	}
	return nil
}

// run is the worker behind the locks. From here to the end it has a signal handler of its own (API2/Qemu.pm:4622-4624).
func (j *cloneJob) run(w *worker) error {
	if err := j.checkFree(); err != nil {
		return err
	}
	if j.major >= 9 {
		w.logf("creating a clone of VM %d with ID %d", j.source.id, j.id)
	}
	j.config = j.newConfig()
	j.clone = j.newVM(j.id, j.node())
	j.clone.config = map[string]string{"lock": "clone", "description": " qmclone temporary file"}
	j.vms[j.id] = j.clone
	steps := []step{j.activate}
	for _, key := range j.source.drives() {
		steps = append(steps, j.cloneDrive(key))
	}
	w.trySignalled("interrupted by signal", j.undo, append(steps, j.finish)...)
	return nil
}

// activate gets the storages ready. On 9.2.11 a clone that was aborted here went on: the look at the pools is an eval
// that takes the signal for a failure of its own (pve-storage 9.1.7, Storage/ZFSPoolPlugin.pm:664-670, activate_storage).
func (j *cloneJob) activate(w *worker) error {
	look := sleepFor(j.timings.Fork)
	if j.major < 9 {
		w.do(look)
		return nil
	}
	w.try(func(w *worker, err error) error {
		w.logf("%v", err)
		return nil
	}, look)
	return nil
}

// notCloned are the keys that a clone does not inherit (API2/Qemu.pm:4507-4518).
var notCloned = regexp.MustCompile(`^(?:parent|snaptime|vmstate|snapstate|runningcpu|runningmachine|running-nets-host-mtu|template|unused\d+)$`)

// newConfig is the whole configuration of the clone but for the disks that are copied. Whatever is not listed here is
// inherited, also what the caller could not set.
func (j *cloneJob) newConfig() map[string]string {
	config := maps.Clone(j.source.config)
	for key, value := range j.source.config {
		d := parseDrive(value)
		switch {
		case notCloned.MatchString(key), isDriveKey(key) && d.hasVolume() && (!d.isCDROM() || d.isCloudinit()):
			delete(config, key)
		case isNetKey(key):
			config[key] = j.withNewMAC(value)
		}
	}
	config["lock"] = "clone"
	config["smbios1"] = withUUID(config["smbios1"], j.uuid())
	if config["vmgenid"] != "" {
		config["vmgenid"] = j.uuid()
	}
	config["name"] = j.params.text("name")
	if config["name"] == "" {
		config["name"] = "Copy-of-VM-" + strings.TrimPrefix(j.source.name(), "VM ")
	}
	if description := j.params.text("description"); description != "" {
		config["description"] = description
	}
	return config
}

// write writes the configuration file as far as it is known.
func (j *cloneJob) write() { j.clone.config = maps.Clone(j.config) }

// withUUID replaces the uuid in an smbios1 value; the other parts stay, in PVE's order (QemuServer.pm, print_smbios1).
func withUUID(value, uuid string) string {
	options := parseOptions(value)
	options["uuid"] = uuid
	var parts []string
	for _, key := range sortedKeys(options) {
		parts = append(parts, key+"="+options[key])
	}
	return strings.Join(parts, ",")
}

// cloneDrive copies one drive and writes it down.
func (j *cloneJob) cloneDrive(key string) step {
	d := parseDrive(j.source.config[key])
	return func(w *worker) error {
		from, ok := j.volume(d.volume)
		if d.isCDROM() && !d.isCloudinit() || !d.hasVolume() {
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
		done := func(made *volume) {
			j.made = append(j.made, made)
			d.volume = made.id()
			d.setSize(made.size)
			j.config[key] = d.String()
			j.write()
		}
		w.do(j.copySteps(w, from, d, kind, done)...)
		return nil
	}
}

func (j *cloneJob) copySteps(w *worker, from *volume, d drive, kind string, done func(*volume)) []step {
	if kind == "linked" {
		return []step{j.linkedClone(from, j.id, done)}
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
		done(made)
		return nil
	})
}

// finish gives the clone free and puts it into its pool.
func (j *cloneJob) finish(*worker) error {
	delete(j.config, "lock")
	j.write()
	if j.onto != "" {
		j.clone.node = j.onto // the configuration file moves at the very end
	}
	if p, ok := j.pools[j.pool]; ok {
		p.add(j.id)
	}
	return nil
}

// undo removes what was made so far. The signal handler of the block is gone here: a signal in the pause ends the worker at
// once, and one while a volume is removed leaves that volume (API2/Qemu.pm:4712-4727).
func (j *cloneJob) undo(w *worker, err error) error {
	steps := []step{sleepFor(j.timings.CloneUndo)}
	for _, v := range j.made {
		steps = append(steps, j.removeOrSay(v))
	}
	w.do(append(steps, func(*worker) error {
		delete(j.vms, j.id)
		return fmt.Errorf("clone failed: %w", err)
	})...)
	return nil
}
