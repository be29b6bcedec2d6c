package labrun

import (
	"cmp"
	"context"
	"os"
	"os/user"

	"labctl/pkg/lab/change"
	"labctl/pkg/lab/doctor"
	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/journal"
	"labctl/pkg/lab/teardown"
	"labctl/pkg/pve"
)

// API is what lab runs need of a PVE server.
type API interface {
	change.API
	Nodes(ctx context.Context) ([]pve.Node, error)
	Version(ctx context.Context) (pve.Version, error)
	Permissions(ctx context.Context, path string) (map[string][]string, error)
	StorageConfigs(ctx context.Context) ([]pve.StorageConfig, error)
	Pools(ctx context.Context) ([]pve.Pool, error)
	Bridges(ctx context.Context, node string) ([]pve.Bridge, error)
}

// Server is a PVE server that was reached.
type Server struct {
	URL     string
	TokenID string // as whom: the name that its tasks have
	API     API
	// Passing says that the server is a sandbox, which has another URL each time it starts.
	Passing bool
	// Around is what `up` looks at besides the server before it makes a VM.
	Around doctor.Surroundings
}

// Talk tells a person what happens, from several goroutines.
type Talk = change.Observer

// Labs are the labs of one owner in one state directory.
type Labs struct {
	Store   Store
	Owner   string // as the configuration says; "": the API token is the owner
	Former  string // see FormerOwner
	Version string // of labctl
	Talk    Talk
	// Connect reaches the server. It is called when the lab's lock is held and its journal exists.
	Connect func(ctx context.Context) (Server, error)
	// Gates are shared by all who work on the server; nil: nobody else does.
	Gates change.Gates
	// Words are what the person at work says of volumes and VMIDs.
	Words teardown.Words
	// AllRuns says that runs of other state directories are removed too.
	AllRuns bool
	// OpenJournal opens a lab's journal; nil: journal.Open.
	OpenJournal func(path string) (*journal.Journal, error)
}

func (l *Labs) openJournal(path string) (*journal.Journal, error) {
	if l.OpenJournal != nil {
		return l.OpenJournal(path)
	}
	return journal.Open(path)
}

// FormerOwner is how earlier versions of labctl named the owner of what this process makes: user@machine. Labs that such a
// version brought up are still this person's.
func FormerOwner() string {
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

// OwnerOn is whose the labs are that this process makes on a server: the API token's, which is what the server checks and
// lists tasks by. It is the same on every machine and in every container that has the token.
func (l *Labs) OwnerOn(server Server) string { return cmp.Or(l.Owner, server.TokenID) }

// Self is who is at work on a lab, as owner marks are compared with it. Run is the run in the journal; "" when none is open.
func (l *Labs) Self(server Server, lab, run string) inventory.Self {
	return inventory.Self{Lab: lab, Owner: l.OwnerOn(server), Former: l.Former, Run: run, States: l.Store.IDs(), AllRuns: l.AllRuns}
}

// executor carries out plans for the lab run that the mark speaks of.
func (l *Labs) executor(server Server, mark inventory.Mark, self inventory.Self) *change.Executor {
	return &change.Executor{
		API: server.API, Observer: l.Talk, Token: server.TokenID, Pool: mark.Pool, Mark: mark, Self: self, Gates: l.Gates, Words: l.Words,
	}
}
