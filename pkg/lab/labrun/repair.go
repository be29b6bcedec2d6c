package labrun

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"labctl/pkg/internal/atomicfile"
	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/journal"
)

// errSalvaged is the outcome of changes that only a damaged journal knows of.
var errSalvaged = errors.New("known from a damaged journal")

// Repair replaces a damaged journal by one that knows everything that can still be read of it, so that Down can prove each
// VMID. The damaged file is kept beside it. A journal that is whole stays as it is.
func (l *Labs) Repair(spec Spec) (err error) {
	path := l.Store.JournalPath(spec.Lab.Name)
	_, err = journal.Read(path)
	var corrupt *journal.CorruptError
	if !errors.As(err, &corrupt) {
		return err
	}
	lock, err := l.Store.Lock(spec.Lab.Name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	salvaged, err := journal.Salvage(path)
	if !errors.As(err, &corrupt) {
		return err
	}
	kept, err := keep(path)
	if err != nil {
		return err
	}
	l.Talk.Line("%v", corrupt.Err)
	l.Talk.Line("the journal is damaged: kept as %s; going on with what can be read of it, and with what the server's task list tells", kept)
	return l.replace(path, kept, spec, salvaged)
}

// keep copies a damaged journal to a name beside it. The journal itself stays until there is another one.
func keep(path string) (string, error) {
	kept := path + ".damaged-" + time.Now().UTC().Format("20060102T150405Z")
	text, err := os.ReadFile(path)
	if err == nil {
		err = atomicfile.Write(kept, text, 0o600)
	}
	if err != nil {
		return "", fmt.Errorf("keeping the damaged journal: %w", err)
	}
	return kept, nil
}

// replace puts a new journal in the place of the damaged one, which a crash leaves as it is until the new one is whole.
func (l *Labs) replace(path, kept string, spec Spec, salvaged *journal.State) error {
	fresh := path + ".repaired"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) { // of a repair that was cut short
		return fmt.Errorf("repairing the journal: %w", err)
	}
	if err := l.rewrite(fresh, kept, spec, salvaged); err != nil {
		return err
	}
	if err := os.Rename(fresh, path); err != nil {
		return fmt.Errorf("repairing the journal: %w", err)
	}
	return atomicfile.SyncDir(filepath.Dir(path))
}

// rewrite writes a journal that knows the VMs, uploads and detached commands of a salvaged state.
func (l *Labs) rewrite(path, kept string, spec Spec, salvaged *journal.State) error {
	fresh, err := l.openJournal(path)
	if err != nil {
		return err
	}
	begin := journal.Begin{RunID: inventory.NewRunID(time.Now()), Lab: spec.Lab.Name, Owner: l.Owner, Pool: spec.Lab.Pool, Version: l.Version, SpecSHA: spec.SHA256(), Expires: time.Now().Add(inventory.Lifetime)}
	if salvaged.Run != nil && salvaged.Run.RunID != "" {
		begin = *salvaged.Run
	}
	failures := []error{fresh.Begin(begin), fresh.NoteDamage(kept), fresh.NoteAhead(salvaged.Ahead())}
	note := func(intent journal.Intent, result journal.Result) {
		intent.Detail = errSalvaged.Error()
		number, err := fresh.Intend(intent)
		failures = append(failures, err, fresh.Finished(number, result, errSalvaged))
	}
	for _, vm := range salvaged.Touched() {
		if vm.Listed {
			failures = append(failures, fresh.List(journal.Listed{Node: vm.Node, VMID: vm.VMID, Killed: vm.Killed}))
		}
		intent := journal.Intent{Op: journal.OpConfigure, VM: vm.Name, Node: vm.Node, VMID: vm.VMID, Disks: vm.Disks}
		switch {
		case !vm.Made() && vm.Listed && !vm.Unproved:
			continue
		case !vm.Made():
			intent.Op = journal.OpProbe
		case slices.Contains(vm.Failed, journal.OpClone):
			intent.Op = journal.OpClone
		}
		note(intent, journal.ResultFailed)
		if vm.UUID != "" {
			failures = append(failures, fresh.See(journal.Seen{VM: vm.Name, Node: vm.Node, VMID: vm.VMID, UUID: vm.UUID, Disks: vm.Disks}))
		}
	}
	for _, upload := range salvaged.Uploads() {
		note(journal.Intent{Op: journal.OpUpload, VM: upload.VM, Node: upload.Node, Volume: upload.Volume}, journal.ResultFailed)
	}
	for id, target := range salvaged.Detached {
		failures = append(failures, fresh.Detach(target, id))
	}
	return errors.Join(append(failures, fresh.Close())...)
}
