package labrun

import (
	"errors"
	"fmt"
	"os"
	"time"

	"labctl/pkg/journal"
)

// errSalvaged is the outcome of changes that only a damaged journal knows of.
var errSalvaged = errors.New("known from a damaged journal")

// Repair replaces a damaged journal by one that knows everything that can still be read of it, so that Down can prove each
// VMID. The damaged file is kept beside it. A journal that is whole stays as it is.
func (l *Labs) Repair(spec Spec) error {
	path := l.Store.JournalPath(spec.Lab.Name)
	_, err := journal.Read(path)
	var corrupt *journal.CorruptError
	if !errors.As(err, &corrupt) {
		return err
	}
	lock, err := l.Store.Lock(spec.Lab.Name)
	if err != nil {
		return err
	}
	salvaged, err := journal.Salvage(path)
	if !errors.As(err, &corrupt) {
		return errors.Join(err, lock.Release())
	}
	kept := path + ".damaged-" + time.Now().UTC().Format(runIDTime)
	l.Talk.Line("%v", corrupt.Err)
	l.Talk.Line("the journal is damaged: kept as %s; going on with what can be read of it", kept)
	if err := os.Rename(path, kept); err != nil {
		return errors.Join(fmt.Errorf("setting the damaged journal aside: %w", err), lock.Release())
	}
	return errors.Join(l.rewrite(path, spec, salvaged), lock.Release())
}

// rewrite writes a journal that knows the VMs, uploads and detached commands of a salvaged state.
func (l *Labs) rewrite(path string, spec Spec, salvaged *journal.State) error {
	fresh, err := l.openJournal(path)
	if err != nil {
		return err
	}
	begin := journal.Begin{RunID: NewRunID(time.Now()), Lab: spec.Lab.Name, Owner: l.Owner, Pool: spec.Lab.Pool, Version: l.Version, SpecSHA: spec.SHA256(), Expires: time.Now().Add(Lifetime)}
	if salvaged.Run != nil && salvaged.Run.RunID != "" {
		begin = *salvaged.Run
	}
	failures := []error{fresh.Begin(begin)}
	note := func(intent journal.Intent) {
		intent.Detail = errSalvaged.Error()
		number, err := fresh.Intend(intent)
		failures = append(failures, err, fresh.Finished(number, journal.ResultFailed, errSalvaged))
	}
	for _, vm := range salvaged.Touched() {
		op := journal.OpConfigure
		if vm.OnlyTraced() {
			op = journal.OpTraced
		}
		note(journal.Intent{Op: op, VM: vm.Name, Node: vm.Node, VMID: vm.VMID})
	}
	for _, upload := range salvaged.Uploads() {
		note(journal.Intent{Op: journal.OpUpload, VM: upload.VM, Node: upload.Node, Volume: upload.Volume})
	}
	for id, target := range salvaged.Detached {
		failures = append(failures, fresh.Detach(target, id))
	}
	return errors.Join(append(failures, fresh.Close())...)
}
