package vmtemplate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"labctl/pkg/lab/change"
	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/journal"
	"labctl/pkg/lab/plan"
	"labctl/pkg/lab/teardown"
	"labctl/pkg/pve"
)

// undoTime bounds the removal of what a failed build made.
const undoTime = 15 * time.Minute

// journalFile is the journal of a build in its directory.
const journalFile = "journal.jsonl"

var notInLabel = regexp.MustCompile(`[^a-z0-9]+`)

// LabOf is the lab under which owner marks and the journal speak of a build.
func LabOf(node, name string) string {
	return inventory.BuildPrefix + strings.Trim(notInLabel.ReplaceAllString(strings.ToLower(node+"-"+name), "-"), "-")
}

// Build builds the template, or reports the one that is there. After a failure nothing of it is left, or the error holds
// a *change.LeftoverError. An earlier build of the same template that was killed is removed first.
func (b *Builder) Build(ctx context.Context, wanted Wanted) (result Result, err error) {
	err = b.with(LabOf(wanted.Node, wanted.Name), wanted, func(work *build) error {
		err := work.clear(ctx)
		if err == nil {
			result, err = work.run(ctx)
		}
		return err
	})
	return result, err
}

// IsBuild says whether a lab that a mark or a journal speaks of is the building of a template.
func IsBuild(lab string) bool { return strings.HasPrefix(lab, inventory.BuildPrefix) }

// Clear removes what a build that was killed left, by its journal.
func (b *Builder) Clear(ctx context.Context, lab string) error {
	return b.with(lab, Wanted{}, func(work *build) error {
		state := work.book.State()
		if !state.Active() {
			return nil
		}
		work.wanted.Pool, work.wanted.Name = state.Run.Pool, strings.TrimPrefix(lab, inventory.BuildPrefix)
		return work.clear(ctx)
	})
}

// with holds the lock and the journal of a build. The state of one that left nothing is removed.
func (b *Builder) with(lab string, wanted Wanted, run func(*build) error) (err error) {
	dir := filepath.Join(b.Dir, lab)
	lock, err := journal.Acquire(dir + ".lock")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	book, err := journal.Open(filepath.Join(dir, journalFile))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, book.Close()) }()
	err = run(&build{Builder: b, wanted: wanted, lab: lab, dir: dir, book: book})
	if !book.State().Active() {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}

// build is one template under way.
type build struct {
	*Builder
	wanted Wanted
	lab    string
	dir    string
	book   *journal.Journal
}

// clear removes what an earlier build of the same template left.
func (b *build) clear(ctx context.Context) error {
	state := b.book.State()
	if !state.Active() {
		return nil
	}
	b.Talk.Line("removing what an earlier build of template %s left", b.wanted.Name)
	if err := b.executor().Reconcile(ctx, state.Open); err != nil {
		return err
	}
	return b.undo(ctx)
}

func (b *build) run(ctx context.Context) (Result, error) {
	from, err := b.source(ctx, b.wanted)
	if err != nil {
		return Result{}, err
	}
	found, id, err := b.existing(ctx, b.wanted, from)
	if err != nil || found != nil {
		if found != nil {
			return *found, err
		}
		return Result{}, err
	}
	storage, err := b.imageStorage(ctx, b.wanted, id)
	if err != nil {
		return Result{}, err
	}
	todo, err := b.plan(from, id, storage)
	if err != nil {
		return Result{}, err
	}
	if err := b.executor().Build(ctx, todo, from.open); err != nil {
		b.Talk.Line("the build failed: removing what it made")
		undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
		defer cancel()
		return Result{}, errors.Join(b.explain(err), b.undo(undo))
	}
	if err := b.book.End(); err != nil {
		return Result{}, err
	}
	return Result{Node: b.wanted.Node, VMID: id, Name: b.wanted.Name, Image: from.name, SHA256: from.sha256, Built: true}, nil
}

// plan begins the build in the journal and says what is to do.
func (b *build) plan(from source, id pve.VMID, storage string) (plan.Sequence, error) {
	now := time.Now()
	// It expires at once: whatever a killed build left is garbage.
	err := b.book.Begin(journal.Begin{
		RunID: inventory.NewRunID(now), Lab: b.lab, Owner: b.Owner, Pool: b.wanted.Pool, Server: b.ServerURL, Token: b.Token, Version: b.Version,
		Expires: now.UTC().Truncate(time.Second),
	})
	if err != nil {
		return plan.Sequence{}, err
	}
	note := inventory.TemplateNote{ImageSHA256: from.sha256, ImageURL: from.url, ImageName: from.name, Version: b.Version, Built: now}
	name := inventory.UploadName{Lab: b.lab, Run: b.book.State().Run.RunID, For: "image", Owner: b.Owner, Ext: from.extension}
	return plan.BuildTemplate(plan.TemplateWanted{
		Node: b.wanted.Node, VMID: int(id), Name: b.wanted.Name, Pool: b.wanted.Pool, Storage: b.wanted.Storage, Bridge: b.wanted.Bridge,
		Image: plan.Image{Storage: storage, FileName: name.FileName(), URL: from.url, SHA256: from.sha256}, Note: note.Description(),
	}), nil
}

// explain says what a refusal means that PVE words for itself only.
func (b *build) explain(err error) error {
	switch {
	case errors.Is(err, pve.ErrChecksum):
		return fmt.Errorf("%w\n  the image at %s is not the expected one, and was not kept; if its publisher has replaced it, correct or remove template.image.sha256",
			err, b.wanted.URL)
	case errors.Is(err, pve.ErrDownload):
		return fmt.Errorf("%w\n  the node %s fetches the image itself: let it reach the address, or upload a file with --image-file", err, b.wanted.Node)
	}
	return err
}

func (b *build) mark() inventory.Mark {
	state := b.book.State()
	mark := inventory.Mark{Lab: b.lab, Owner: b.Owner, Version: b.Version, Pool: b.wanted.Pool}
	if state.Run != nil {
		mark.Run, mark.Expires = state.Run.RunID, state.Run.Expires
	}
	if b.Mark != nil {
		b.Mark(&mark)
	}
	return mark
}

// self is who is at work. A build goes by its run alone: what another build of the template left is garbage to gc.
func (b *build) self() inventory.Self {
	mark := b.mark()
	return inventory.Self{Lab: mark.Lab, Owner: mark.Owner, Run: mark.Run, OneRun: true}
}

func (b *build) executor() *change.Executor {
	return &change.Executor{
		API: b.API, Journal: b.book, Observer: b.Talk, Token: b.Token, Pool: b.wanted.Pool, Mark: b.mark(), Self: b.self(), Gates: b.Gates, Words: b.Words,
	}
}

// undo removes the VM and the image, with proof, and ends the build in the journal.
func (b *build) undo(ctx context.Context) error {
	scope := inventory.Scope{Self: b.self(), Node: b.wanted.Node}
	state := b.book.State()
	for _, vm := range state.Touched() {
		scope.Known = append(scope.Known, pve.VMRef{Node: vm.Node, ID: pve.VMID(vm.VMID)})
	}
	observed, err := inventory.Observe(ctx, b.API, scope)
	if err = errors.Join(err, observed.Unseen()); err != nil {
		return b.mayBeLeft(err)
	}
	all := teardown.Decide(observed, state, b.Words)
	if err := errors.Join(b.executor().Down(ctx, teardown.Removal(b.lab, all, state, nil)), reported(all)); err != nil {
		return err
	}
	return b.book.End()
}

// reported turns the decisions to report into errors with an operator's commands.
func reported(all []teardown.Known) error {
	var errs []error
	for _, known := range teardown.With(all, teardown.Report, teardown.Refuse) {
		errs = append(errs, &change.LeftoverError{VM: plan.TemplateVM, Ref: known.Ref, Unread: true, Err: errors.New(known.Row.Because)})
	}
	return errors.Join(errs...)
}

// mayBeLeft says of everything that the journal knows that it may be left.
func (b *build) mayBeLeft(err error) error {
	var all []error
	for _, vm := range b.book.State().Touched() {
		all = append(all, &change.LeftoverError{VM: plan.TemplateVM, Ref: pve.VMRef{Node: vm.Node, ID: pve.VMID(vm.VMID)}, Unread: true, Err: err})
	}
	if len(all) == 0 {
		return fmt.Errorf("removing what the build made: %w: run `labctl template build` again, or `labctl gc`", err)
	}
	return errors.Join(all...)
}
