package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"labctl/pkg/journal"
)

// errSalvaged is the outcome of changes that only a damaged journal knows of.
var errSalvaged = errors.New("known from a damaged journal")

// repairJournal replaces a damaged journal by one that knows everything that can still be read of it, so that `down` can
// prove each VMID. The damaged file is kept beside it.
func (a *app) repairJournal(file labFile) error {
	path := filepath.Join(a.labDir(file.lab.Name), journalFile)
	_, err := journal.Read(path)
	var corrupt *journal.CorruptError
	if !errors.As(err, &corrupt) {
		return err
	}
	lock, err := journal.Acquire(a.labDir(file.lab.Name) + ".lock")
	if err != nil {
		return err
	}
	salvaged, err := journal.Salvage(path)
	if !errors.As(err, &corrupt) {
		return errors.Join(err, lock.Release())
	}
	kept := path + ".damaged-" + time.Now().UTC().Format("20060102T150405Z")
	a.progress().Line("%v", corrupt.Err)
	a.progress().Line("the journal is damaged: kept as %s; going on with what can be read of it", kept)
	if err := os.Rename(path, kept); err != nil {
		return errors.Join(fmt.Errorf("setting the damaged journal aside: %w", err), lock.Release())
	}
	return errors.Join(rewrite(path, file, salvaged), lock.Release())
}

// rewrite writes a journal that knows the VMs and detached commands of a salvaged state.
func rewrite(path string, file labFile, salvaged *journal.State) error {
	fresh, err := journal.Open(path)
	if err != nil {
		return err
	}
	begin := journal.Begin{RunID: newRunID(time.Now()), Lab: file.lab.Name, Version: version(), SpecSHA: file.sha256(), Expires: time.Now().Add(labLifetime)}
	if salvaged.Run != nil && salvaged.Run.RunID != "" {
		begin = *salvaged.Run
	}
	failures := []error{fresh.Begin(begin)}
	for _, vm := range salvaged.Touched() {
		intent, err := fresh.Intend(journal.Intent{Op: journal.OpConfigure, VM: vm.Name, Node: vm.Node, VMID: vm.VMID, Detail: errSalvaged.Error()})
		failures = append(failures, err, fresh.Finished(intent, journal.ResultFailed, errSalvaged))
	}
	for id, target := range salvaged.Detached {
		failures = append(failures, fresh.Detach(target, id))
	}
	return errors.Join(append(failures, fresh.Close())...)
}
