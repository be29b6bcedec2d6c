package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"labctl/pkg/bench/suite"
	"labctl/pkg/lab/guestsetup"
	"labctl/pkg/remote"
)

// hostLeftError says that something of a killed bench may be left on the PVE host.
type hostLeftError struct {
	host, directory string
	ids             []string
	copy            string // of fio, see factFioCopy; "": none
	err             error
}

// Error names the host, and the commands that end exactly what was left.
func (e *hostLeftError) Error() string {
	text := fmt.Sprintf("fio of a bench that was killed may still run on the host %s, with files in %s: %v\n  run `labctl down` again, or on %s as the user who measures:",
		e.host, e.directory, e.err, e.host)
	if e.copy != "" {
		text += "\n    rm " + e.copy
	}
	for _, id := range e.ids {
		text += fmt.Sprintf("\n    cd ~/.labctl/detached/%s && kill -- -$(cat pid); rm -r ~/.labctl/detached/%s", id, id)
	}
	return text
}

// Unwrap returns why it could not be ended.
func (e *hostLeftError) Unwrap() error { return e.err }

// hostCleanTime bounds the clean-up on the host.
const hostCleanTime = 2 * time.Minute

// cleanHost ends what a killed bench left running on the PVE host, and removes its files. In the VMs it goes with the VMs.
func (r *labRun) cleanHost(ctx context.Context) error {
	state := r.Journal.State()
	if r.Lab.Host == nil || !state.Active() {
		return nil
	}
	left := &hostLeftError{host: r.Lab.Host.Name, directory: r.Lab.Host.Directory}
	for id, target := range state.Detached {
		if r.vmSpec(target).Name == "" { // what wrote to a VM's disk from the host is the host's, too
			left.ids = append(left.ids, id)
		}
	}
	slices.Sort(left.ids)
	left.copy = state.Fact(r.Lab.Host.Name, factFioCopy)
	if len(left.ids) == 0 && left.copy == "" {
		return nil
	}
	r.app.progress().Line("%s: ending what a killed bench left running", left.host)
	ctx, cancel := context.WithTimeout(ctx, hostCleanTime)
	defer cancel()
	if left.err = r.endOnHost(ctx, left.ids); left.err != nil {
		return left
	}
	return nil
}

func (r *labRun) endOnHost(ctx context.Context, ids []string) error {
	target, directory, err := r.app.hostTarget(r.server, *r.Lab.Host)
	if err != nil {
		return err
	}
	host, err := remote.Connect(ctx, target)
	if err != nil {
		return err
	}
	defer host.Close()
	for _, id := range ids {
		if err := host.StopDetached(ctx, id); err != nil {
			return err
		}
	}
	facts, err := factsOf(ctx, host, r.Lab.Host.Name, guestsetup.HostFacts(directory))
	if err != nil {
		return err
	}
	var failures []error
	for _, workload := range r.Lab.Suite.Workloads {
		failures = append(failures, suite.RemoveFiles(ctx, suite.Target{Machine: host, Directory: facts[factDirectory]}, workload.Job))
	}
	for _, id := range ids {
		failures = append(failures, r.Journal.Attached(id))
	}
	return errors.Join(append(failures, r.removeFioCopy(ctx, host))...)
}
