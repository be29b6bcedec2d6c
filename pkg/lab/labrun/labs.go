package labrun

import (
	"context"
	"os"
	"os/user"
	"time"

	"labctl/pkg/lab/change"
	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/journal"
	"labctl/pkg/pve"
)

// API is what lab runs need of a PVE server.
type API interface {
	change.API
	Nodes(ctx context.Context) ([]pve.Node, error)
	Version(ctx context.Context) (pve.Version, error)
	Permissions(ctx context.Context, path string) (map[string][]string, error)
	StorageConfigs(ctx context.Context) ([]pve.StorageConfig, error)
}

// Server is a PVE server that was reached.
type Server struct {
	URL     string
	TokenID string // as whom: the name that its tasks have
	API     API
	// Passing says that the server is a sandbox, which has another URL each time it starts.
	Passing bool
}

// Talk tells a person what happens, from several goroutines.
type Talk = change.Observer

// Labs are the labs of one owner in one state directory.
type Labs struct {
	Store   Store
	Owner   string // see ThisOwner
	Version string // of labctl
	Talk    Talk
	// Connect reaches the server. It is called when the lab's lock is held and its journal exists.
	Connect func(ctx context.Context) (Server, error)
	// Gates are shared by all who work on the server; nil: nobody else does.
	Gates change.Gates
	// Leave are volumes and VMs, by ID, that the person at work here knows to be somebody else's.
	Leave []string
	// OpenJournal opens a lab's journal; nil: journal.Open.
	OpenJournal func(path string) (*journal.Journal, error)
}

func (l *Labs) openJournal(path string) (*journal.Journal, error) {
	if l.OpenJournal != nil {
		return l.OpenJournal(path)
	}
	return journal.Open(path)
}

// Lifetime is when a lab that nobody removed counts as forgotten.
const Lifetime = 24 * time.Hour

// ThisOwner tells whose labs this process makes, so that labs of the same name on one server are kept apart: user@machine.
// It depends on nothing that is lost with the state directory.
func ThisOwner() string {
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

// executor carries out plans for the lab run that the mark speaks of.
func (l *Labs) executor(server Server, mark inventory.Mark, pool string) *change.Executor {
	return &change.Executor{
		API: server.API, Observer: l.Talk, Token: server.TokenID, Pool: pool, Mark: mark, Gates: l.Gates, Leave: l.Leave,
	}
}
