package cli

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"labctl/pkg/lab/change"
	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/journal"
	"labctl/pkg/lab/labrun"
)

// labRun is a lab that this process holds the lock of, with the way into its guests.
type labRun struct {
	*labrun.Run
	app    *app
	server *server
	fio    *fioBinary // for all targets; nil: their own
	steps  *stepObserver
}

// labs are this user's labs in the state directory. Into goes the server, once it is reached.
func (a *app) labs(into **server) *labrun.Labs {
	return a.watchedLabs(into, a.newStepObserver())
}

func (a *app) newStepObserver() *stepObserver {
	return &stepObserver{talk: a.progress(), spellOut: a.spellOut}
}

func (a *app) watchedLabs(into **server, observer *stepObserver) *labrun.Labs {
	labs := &labrun.Labs{Store: a.labStore(), Owner: a.config.GetString(keyOwner), Former: labrun.FormerOwner(), Version: version(), Talk: observer, Words: a.words, AllRuns: a.allRuns}
	labs.Connect = func(ctx context.Context) (labrun.Server, error) {
		reached, err := a.connect(ctx)
		if err != nil {
			return labrun.Server{}, err
		}
		*into = reached
		labs.Gates = a.gates(reached)
		server := reached.labServer()
		server.Around = a.around(reached)
		return server, nil
	}
	return labs
}

// selfOn is who is at work on a lab, as owner marks are compared with it.
func (a *app) selfOn(s *server, lab string, state *journal.State) inventory.Self {
	run := ""
	if state.Active() {
		run = state.Run.RunID
	}
	return a.labs(&s).Self(s.labServer(), lab, run)
}

// gates are shared by all labctl processes that work on the server from this state directory.
func (a *app) gates(s *server) change.Gates {
	return &labrun.FileGates{Dir: filepath.Join(a.stateRoot(), "gates"), Server: s.url}
}

// labServer is the server as lab runs see it.
func (s *server) labServer() labrun.Server {
	return labrun.Server{URL: s.url, TokenID: s.tokenID, API: s.client, Passing: s.sandbox != nil}
}

// openLab locks the lab, opens its journal and reaches the server.
func (a *app) openLab(ctx context.Context, spec labrun.Spec) (*labRun, error) {
	run := &labRun{app: a, steps: a.newStepObserver()}
	var err error
	if run.Run, err = a.watchedLabs(&run.server, run.steps).Open(ctx, spec); err != nil {
		return nil, err
	}
	return run, nil
}

// look reads what exists of this lab, and says so meanwhile.
func (r *labRun) look(ctx context.Context) (inventory.Observed, error) {
	r.app.progress().Status(func(time.Duration) string { return "reading what exists on " + r.server.url })
	defer r.app.progress().Status(nil)
	return r.Observe(ctx)
}

// closeFailed closes a lab that could not be brought up. When nothing of it is there, nothing of its state stays, and a
// sandbox that this process started or emptied ends.
func (r *labRun) closeFailed(ctx context.Context, emptied bool) error {
	var err error
	if !r.Active() {
		err = r.Forget()
		if r.server.started || emptied {
			err = errors.Join(err, r.app.stopIfUnused(ctx, r.server))
		}
	}
	return errors.Join(err, r.Close())
}
