package labrun

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"

	"labctl/pkg/internal/atomicfile"
	"labctl/pkg/lab/change"
	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/journal"
	"labctl/pkg/lab/plan"
	"labctl/pkg/labspec"
	"labctl/pkg/pve"
	"labctl/pkg/remote"
)

// Run is a lab that this process holds the lock of.
type Run struct {
	Spec
	Server  Server
	Journal *journal.Journal

	labs *Labs
	dir  string
	lock *journal.Lock

	wanted plan.Wanted     // what `up` plans from
	found  traces          // what the task list told so far
	read   map[string]bool // the tasks that were read for it, by UPID

	silent []string // nodes that did not answer and may have more of the lab than the journal knows
}

// Open locks the lab, opens its journal and reaches the server. It fails at once with a *journal.BusyError when another
// process works on the lab.
func (l *Labs) Open(ctx context.Context, spec Spec) (*Run, error) {
	run := &Run{Spec: spec, labs: l, dir: l.Store.Dir(spec.Lab.Name)}
	var err error
	if run.lock, err = l.Store.Lock(spec.Lab.Name); err != nil {
		return nil, err
	}
	if run.Journal, err = l.openJournal(filepath.Join(run.dir, journalFile)); err != nil {
		return nil, errors.Join(err, run.lock.Release())
	}
	if run.Server, err = l.Connect(ctx); err != nil {
		if !run.Active() {
			err = errors.Join(err, run.Forget()) // nothing was begun: the lab must not count as one that exists
		}
		return nil, errors.Join(err, run.Close())
	}
	if err := run.checkServer(); err != nil {
		return nil, errors.Join(err, run.Close())
	}
	return run, nil
}

// checkServer refuses to work on a lab that is up on another server: its VMIDs would look gone on this one.
func (r *Run) checkServer() error {
	state := r.Journal.State()
	if r.Server.Passing || !state.Active() || state.Run.Server == "" || state.Run.Server == r.Server.URL {
		return nil
	}
	return fmt.Errorf("lab %s was brought up on %s, and the configuration says %s: set pve.url to where the lab is, or choose another --state-dir",
		r.Lab.Name, state.Run.Server, r.Server.URL)
}

// Close gives journal and lock back.
func (r *Run) Close() error { return errors.Join(r.Journal.Close(), r.lock.Release()) }

// Active says whether the journal has a lab run that was begun and not ended.
func (r *Run) Active() bool { return r.Journal.State().Active() }

// begin opens a lab run in the journal, unless one is open. The traces of earlier ones become part of it.
func (r *Run) begin(found traces) error {
	if r.Active() {
		return r.note(found)
	}
	if err := atomicfile.Write(filepath.Join(r.dir, specFile), r.Text, 0o600); err != nil {
		return err
	}
	err := r.Journal.Begin(journal.Begin{
		RunID: inventory.NewRunID(time.Now()), Lab: r.Lab.Name, Owner: r.labs.OwnerOn(r.Server), Pool: r.Lab.Pool, Server: r.Server.URL, Token: r.Server.TokenID, Version: r.labs.Version,
		SpecSHA: r.SHA256(), Expires: time.Now().Add(inventory.Lifetime).UTC().Truncate(time.Second),
	})
	if err != nil {
		return err
	}
	return r.note(found)
}

// mark is the owner mark of this lab run.
func (r *Run) mark() inventory.Mark {
	mark := inventory.Mark{Lab: r.Lab.Name, Owner: r.labs.OwnerOn(r.Server), Version: r.labs.Version, State: r.labs.Store.ID(), Pool: r.Lab.Pool}
	if state := r.Journal.State(); state.Active() {
		mark.Run, mark.Expires = state.Run.RunID, state.Run.Expires
	}
	return mark
}

// executor carries out plans for this lab run.
func (r *Run) executor() *change.Executor {
	executor := r.labs.executor(r.Server, r.mark(), r.self())
	executor.Journal, executor.Storages = r.Journal, r.Lab.Storages()
	return executor
}

// self is who is at work on this lab.
func (r *Run) self() inventory.Self {
	state, run := r.Journal.State(), ""
	if state.Active() {
		run = state.Run.RunID
	}
	return r.labs.Self(r.Server, r.Lab.Name, run)
}

// ScopeOf is where a lab's VMs can be, by its spec and its journal.
func ScopeOf(lab *labspec.Lab, self inventory.Self, state *journal.State) inventory.Scope {
	scope := inventory.Scope{
		Self: self, Node: lab.Node, Pool: lab.Pool, First: pve.VMID(lab.VMIDs.First), Last: pve.VMID(lab.VMIDs.Last),
	}
	if !state.Active() {
		return scope
	}
	for _, vm := range state.Touched() {
		scope.Known = append(scope.Known, pve.VMRef{Node: vm.Node, ID: pve.VMID(vm.VMID)})
	}
	return scope
}

func (r *Run) scope() inventory.Scope { return ScopeOf(r.Lab, r.self(), r.Journal.State()) }

// Observe reads what exists of this lab. It fails when something of it may be on a node that does not answer.
func (r *Run) Observe(ctx context.Context) (inventory.Observed, error) {
	observed, err := r.observe(ctx)
	return observed, errors.Join(err, observed.Unseen())
}

// observe is Observe for those who report what may be on a node that does not answer.
func (r *Run) observe(ctx context.Context) (inventory.Observed, error) {
	return inventory.Observe(ctx, r.Server.API, r.scope())
}

// nodes are the nodes that the lab has to do with.
func (r *Run) nodes() []string {
	nodes := r.Lab.Nodes()
	if !slices.Contains(nodes, r.Lab.Node) {
		nodes = append(nodes, r.Lab.Node) // a template there may be cloned onto the others
	}
	for _, vm := range r.Journal.State().VMs {
		if !slices.Contains(nodes, vm.Node) {
			nodes = append(nodes, vm.Node)
		}
	}
	return nodes
}

// reconcile finds out what became of the changes that an earlier process left open. With discard, what they make is going
// to be removed.
func (r *Run) reconcile(ctx context.Context, discard bool) error {
	state := r.Journal.State()
	if !state.Active() {
		return nil
	}
	executor := r.executor()
	executor.Discard = discard
	return executor.Reconcile(ctx, state.Open)
}

// Key returns the key pair that opens this lab's VMs, made on first use, and its line for authorized_keys.
func (r *Run) Key() (ssh.Signer, string, error) {
	path := filepath.Join(r.dir, keyFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if data, _, err = remote.GenerateKey(); err == nil {
			err = atomicfile.Write(path, data, 0o600)
		}
	}
	if err != nil {
		return nil, "", fmt.Errorf("keeping the lab's SSH key: %w", err)
	}
	signer, err := ssh.ParsePrivateKey(data)
	if err != nil {
		return nil, "", fmt.Errorf("reading the lab's SSH key %s: %w", path, err)
	}
	line := ssh.MarshalAuthorizedKey(signer.PublicKey())
	return signer, string(line[:len(line)-1]), nil
}

// Forget ends the lab run: its state is removed but for the journal, which is kept among the past ones.
func (r *Run) Forget() error {
	state := r.Journal.State()
	if !state.Active() {
		return removeState(r.dir)
	}
	if err := r.Journal.End(); err != nil {
		return err
	}
	return r.labs.Store.archive(r.dir, r.Lab.Name, state.Run.RunID)
}
