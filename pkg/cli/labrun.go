package cli

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"time"

	"golang.org/x/crypto/ssh"

	"labctl/pkg/internal/atomicfile"
	"labctl/pkg/inventory"
	"labctl/pkg/journal"
	"labctl/pkg/labspec"
	"labctl/pkg/remote"
)

// The files in a lab's state directory.
const (
	journalFile = "journal.jsonl"
	keyFile     = "id_ed25519"
	specFile    = "lab.yaml"
)

// labLifetime is when a lab that nobody removed counts as forgotten.
const labLifetime = 24 * time.Hour

// labRun is a lab that this process holds the lock of.
type labRun struct {
	app     *app
	file    labFile
	lab     *labspec.Lab
	dir     string
	server  *server
	journal *journal.Journal
	lock    *journal.Lock
}

// openLab locks the lab and opens its journal.
func (a *app) openLab(ctx context.Context, file labFile) (*labRun, error) {
	run := &labRun{app: a, file: file, lab: file.lab, dir: a.labDir(file.lab.Name)}
	var err error
	// The lock lives beside the lab's directory, since `down` removes the directory while it holds the lock.
	if run.lock, err = journal.Acquire(run.dir + ".lock"); err != nil {
		return nil, err
	}
	if run.journal, err = journal.Open(filepath.Join(run.dir, journalFile)); err != nil {
		return nil, errors.Join(err, run.lock.Release())
	}
	if run.server, err = a.connect(ctx); err != nil {
		if !run.journal.State().Active() {
			err = errors.Join(err, run.forget()) // nothing was begun: the lab must not count as one that exists
		}
		return nil, errors.Join(err, run.close())
	}
	if err := run.checkServer(); err != nil {
		return nil, errors.Join(err, run.close())
	}
	return run, nil
}

// checkServer refuses to work on a lab that is up on another server: its VMIDs would look gone on this one. The sandbox
// has another address each time it starts.
func (r *labRun) checkServer() error {
	state := r.journal.State()
	if r.server.sandbox != nil || !state.Active() || state.Run.Server == "" || state.Run.Server == r.server.url {
		return nil
	}
	return fmt.Errorf("lab %s was brought up on %s, and the configuration says %s: set %s to where the lab is, or choose another --state-dir",
		r.lab.Name, state.Run.Server, r.server.url, keyURL)
}

func (r *labRun) close() error {
	return errors.Join(r.journal.Close(), r.lock.Release())
}

// begin opens a lab run in the journal, unless one is open.
func (r *labRun) begin() error {
	if r.journal.State().Active() {
		return nil
	}
	if err := atomicfile.Write(filepath.Join(r.dir, specFile), r.file.text, 0o600); err != nil {
		return err
	}
	return r.journal.Begin(journal.Begin{
		RunID: newRunID(time.Now()), Lab: r.lab.Name, Server: r.server.url, Version: version(),
		SpecSHA: r.file.sha256(), Expires: time.Now().Add(labLifetime).UTC().Truncate(time.Second),
	})
}

// newRunID makes an ID that sorts by time.
func newRunID(now time.Time) string {
	random := make([]byte, 2)
	_, _ = rand.Read(random) // never fails (crypto/rand)
	return now.UTC().Format("20060102T150405Z") + "-" + hex.EncodeToString(random)
}

// mark is the owner mark of this lab run.
func (r *labRun) mark() inventory.Mark {
	mark := inventory.Mark{Lab: r.lab.Name, Owner: owner(), Version: version()}
	if state := r.journal.State(); state.Active() {
		mark.Run, mark.Expires = state.Run.RunID, state.Run.Expires
	}
	return mark
}

// scope is where this lab's VMs can be.
func (r *labRun) scope() inventory.Scope { return scopeOf(r.lab, r.journal.State()) }

// owner tells whose lab it is, so that labs of the same name on one server are kept apart. It depends on nothing that is
// lost with the state directory.
func owner() string {
	name := "unknown"
	if account, err := user.Current(); err == nil {
		name = account.Username
	}
	machine, err := os.Hostname()
	if err != nil {
		machine = "unknown"
	}
	return name + "@" + machine
}

// reconcile finds out what became of the changes that an earlier process left open.
func (r *labRun) reconcile(ctx context.Context) error {
	state := r.journal.State()
	if !state.Active() {
		return nil
	}
	return r.executor().Reconcile(ctx, state.Open)
}

// observe reads what exists of this lab.
func (r *labRun) observe(ctx context.Context) (inventory.Observed, error) {
	r.app.progress().Status(func(time.Duration) string { return "reading what exists on " + r.server.url })
	defer r.app.progress().Status(nil)
	return inventory.Observe(ctx, r.server.client, r.scope())
}

// key returns the key pair that opens this lab's VMs, made on first use.
func (r *labRun) key() (ssh.Signer, string, error) {
	path := filepath.Join(r.dir, keyFile)
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		private, _, err := remote.GenerateKey()
		if err != nil {
			return nil, "", err
		}
		if err := atomicfile.Write(path, private, 0o600); err != nil {
			return nil, "", err
		}
	}
	signer, err := readSigner(path)
	if err != nil {
		return nil, "", err
	}
	line := ssh.MarshalAuthorizedKey(signer.PublicKey())
	return signer, string(line[:len(line)-1]), nil
}

// forget ends the lab run: its state is removed but for the journal, which is kept among the past ones.
func (r *labRun) forget() error {
	state := r.journal.State()
	if !state.Active() {
		return removeAll(r.dir)
	}
	if err := r.journal.End(); err != nil {
		return err
	}
	past := filepath.Join(r.app.stateRoot(), "past")
	if err := os.MkdirAll(past, 0o700); err != nil {
		return fmt.Errorf("keeping the journal: %w", err)
	}
	target := filepath.Join(past, r.lab.Name+"-"+state.Run.RunID+".jsonl")
	if err := os.Rename(filepath.Join(r.dir, journalFile), target); err != nil {
		return fmt.Errorf("keeping the journal: %w", err)
	}
	return removeAll(r.dir)
}

func removeAll(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("removing the lab's state: %w", err)
	}
	return nil
}
