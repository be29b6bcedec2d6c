package labrun

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/journal"
	"labctl/pkg/lab/teardown"
	"labctl/pkg/labspec"
	"labctl/pkg/pve"
)

// collecting is where the journals of removals by gc are kept while they are under way.
const collecting = "gc"

func (l *Labs) collectDir(lab, run string) string {
	return filepath.Join(l.Store.Root, collecting, lab+"-"+run)
}

// collects says whether a removal by gc was begun and not finished.
func (l *Labs) collects(f Found) bool {
	state, err := journal.Read(filepath.Join(l.collectDir(f.Lab, f.Run), journalFile))
	return err == nil && state.Active()
}

// unfinished are the lab runs that only journals here speak of: those whose VMs are gone already, and those that a killed
// gc did not finish; damaged says which journals cannot be read.
func (l *Labs) unfinished(server Server, found []Found) (left []Found, damaged []error, err error) {
	labs, err := l.Store.Labs()
	if err != nil {
		return nil, nil, err
	}
	removals, err := l.Store.journals(collecting)
	if err != nil {
		return nil, nil, err
	}
	for _, lab := range labs {
		state, err := l.Store.State(lab)
		if err != nil {
			damaged = append(damaged, err)
			continue
		}
		if one, ok := l.open(server, state, found); ok {
			l.judge(server, &one)
			left = append(left, one)
		}
	}
	for _, removal := range removals {
		dir := filepath.Join(l.Store.Root, collecting, removal)
		state, err := journal.Read(filepath.Join(dir, journalFile))
		if err != nil {
			damaged = append(damaged, damagedRemoval(dir, err))
			continue
		}
		if one, ok := l.open(server, state, found); ok {
			l.judge(server, &one)
			one.Standing = StandingOrphaned // its removal was decided
			left = append(left, one)
		}
	}
	return left, damaged, nil
}

// open is the lab run that a journal did not end, unless it was found already.
func (l *Labs) open(server Server, state *journal.State, found []Found) (Found, bool) {
	if !state.Active() || state.Run.RunID == "" ||
		slices.ContainsFunc(found, func(f Found) bool { return f.Lab == state.Run.Lab && f.Run == state.Run.RunID }) {
		return Found{}, false
	}
	one := Found{Lab: state.Run.Lab, Run: state.Run.RunID, Owner: cmp.Or(state.Run.Owner, l.OwnerOn(server)), Expires: state.Run.Expires}
	one.mark = inventory.Mark{Lab: one.Lab, Run: one.Run, Owner: one.Owner, Pool: state.Run.Pool, State: l.Store.ID(), Expires: one.Expires}
	return one, true
}

// damagedRemoval says what to do when the journal of a removal that gc did not finish cannot be read: what it had removed
// before it was cut short is not known any more, and has to be proved by `down`.
func damagedRemoval(dir string, err error) error {
	var corrupt *journal.CorruptError
	if !errors.As(err, &corrupt) {
		return err
	}
	return fmt.Errorf("the journal of an unfinished removal by gc, %s, is damaged at line %d (%w): "+
		"run `labctl down` on the lab's spec, which finds what is left by its marks and in the server's task list; then remove the directory %s",
		corrupt.Path, corrupt.Line, corrupt.Err, dir)
}

// SavedSpec is the spec with which a lab that is up was brought up.
func (s Store) SavedSpec(lab string) (Spec, error) {
	path := filepath.Join(s.Dir(lab), specFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return Spec{}, fmt.Errorf("reading the spec with which lab %s was brought up: %w", lab, err)
	}
	parsed, err := labspec.Parse(path, text)
	if err != nil { // no mistake of the person who asks
		return Spec{}, fmt.Errorf("the copy of lab %s's spec in the state directory is damaged (%v): give the lab's own file, as in `labctl down FILE`", lab, err) //nolint:errorlint
	}
	parsed.Name = lab // its file's, or that of an instance
	return Spec{Lab: parsed, Text: text}, nil
}

// Collect removes a lab run that the state directory does not know, with proof. It has a journal of its own, so that a
// killed gc is finished by the next. It fails with a *journal.BusyError while another process works on a lab of that name.
func (l *Labs) Collect(ctx context.Context, server Server, found Found) (removed Removed, err error) {
	lock, err := l.Store.Lock(found.Lab)
	if err != nil {
		return Removed{}, err
	}
	dir := l.collectDir(found.Lab, found.Run)
	defer func() { err = errors.Join(err, lock.Release()) }()
	book, err := l.openJournal(filepath.Join(dir, journalFile))
	if err != nil {
		return Removed{}, damagedRemoval(dir, err)
	}
	if !book.State().Active() {
		err = book.Begin(journal.Begin{
			RunID: found.Run, Lab: found.Lab, Owner: found.Owner, Pool: found.mark.Pool, Server: server.URL, Token: server.TokenID, Version: l.Version, Expires: found.Expires, Collected: true,
		})
	}
	if err == nil {
		removed, err = l.collect(ctx, server, found, book)
	}
	if err == nil {
		err = errors.Join(book.End(), l.Store.archive(dir, found.Lab, found.Run))
	}
	return removed, errors.Join(err, book.Close())
}

func (l *Labs) collect(ctx context.Context, server Server, found Found, book *journal.Journal) (Removed, error) {
	mark := found.mark
	mark.Lab, mark.Run, mark.Owner = found.Lab, found.Run, found.Owner
	if mark.Pool == "" { // only uploads are left; the journal of a killed gc may know more
		mark.Pool = book.State().Run.Pool
	}
	self := l.Self(server, found.Lab, found.Run)
	self.OneRun = true
	executor := l.executor(server, mark, self)
	executor.Journal, executor.Discard = book, true
	if err := executor.Reconcile(ctx, book.State().Open); err != nil {
		return Removed{}, err
	}
	scope := inventory.Scope{Self: self}
	for _, vm := range found.VMs {
		scope.Known = append(scope.Known, vm.Ref)
	}
	for _, vm := range book.State().Touched() {
		ref := pve.VMRef{Node: vm.Node, ID: pve.VMID(vm.VMID)}
		if !slices.ContainsFunc(scope.Known, func(known pve.VMRef) bool { return known.ID == ref.ID }) {
			scope.Known = append(scope.Known, ref)
		}
	}
	observed, err := inventory.Observe(ctx, server.API, scope)
	if err != nil {
		return Removed{}, err
	}
	observed.Unreachable = slices.DeleteFunc(observed.Unreachable, func(ref pve.VMRef) bool { // of any lab
		return !slices.ContainsFunc(scope.Known, func(known pve.VMRef) bool { return known.ID == ref.ID })
	})
	all := teardown.Decide(observed, book.State(), l.Words)
	if err := refused(found.Lab, all); err != nil {
		return Removed{}, err
	}
	todo := teardown.Removal(found.Lab, all, book.State(), found.Uploads)
	if err := errors.Join(executor.Down(ctx, todo), reported(all)); err != nil {
		return Removed{}, err
	}
	return Removed{
		VMs: len(teardown.With(all, teardown.Remove)), Uploads: len(found.Uploads), WasUp: true,
		Looked: len(teardown.With(all, teardown.Prove, teardown.Look)),
	}, nil
}
