package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"labctl/pkg/bench/suite"
	"labctl/pkg/lab/guestsetup"
	"labctl/pkg/lab/labrun"
	"labctl/pkg/lab/plan"
	"labctl/pkg/labspec"
	"labctl/pkg/remote"
	"labctl/pkg/results"
)

// The facts that the journal keeps of a VM beside those that the guest tells of itself.
const (
	factVMID    = labrun.FactVMID
	factAddress = "address"
	factHostKey = "host_key"
)

// The facts that a guest tells of itself (cloudinit/facts.sh).
const (
	factKind      = "kind"
	factDirectory = "directory"
	factBootID    = "boot_id"
	factFio       = "fio_version"
	factFioSHA256 = "fio_sha256"
)

// machine is a connected target.
type machine struct {
	name  string
	vmid  int
	isVM  bool
	host  *remote.Host
	fio   string // path of the configured fio; "": the target's own
	facts map[string]string
}

// machines are the connected targets in the order of the spec.
type machines []*machine

func (m machines) close() {
	for _, machine := range m {
		if machine != nil && machine.host != nil {
			_ = machine.host.Close() // nothing runs on it any more
		}
	}
}

func (m machines) targets() map[string]suite.Target {
	targets := map[string]suite.Target{}
	for _, machine := range m {
		targets[machine.name] = suite.Target{Machine: machine.host, Directory: machine.facts[factDirectory], Fio: machine.fio}
	}
	return targets
}

// areProcesses says that a VM is a process of the sandbox's machine by its own account.
func (m machines) areProcesses() bool {
	return slices.ContainsFunc(m, func(machine *machine) bool {
		return machine.isVM && machine.facts[factKind] == string(results.TargetHostProcess)
	})
}

// describe is the machine for the results.
func (m *machine) describe() results.Target {
	kind := results.TargetHost
	switch {
	case m.facts[factKind] == string(results.TargetHostProcess):
		kind = results.TargetHostProcess
	case m.isVM:
		kind = results.TargetVM
	}
	return results.Target{Name: m.name, Kind: kind, Facts: m.facts, VMID: m.vmid, Directory: m.facts[factDirectory]}
}

// connectTargets logs in to every target of the schedule, side by side, and asks for its facts.
func (r *labRun) connectTargets(ctx context.Context, schedule []suite.Planned) (machines, error) {
	r.app.progress().Status(func(time.Duration) string { return "connecting to the targets" })
	defer r.app.progress().Status(nil)
	var connected machines
	for _, name := range r.Lab.Targets() {
		for _, planned := range schedule {
			if planned.Target == name {
				connected = append(connected, &machine{name: name})
				break
			}
		}
	}
	failures := make([]error, len(connected))
	var wait sync.WaitGroup
	for i, machine := range connected {
		wait.Go(func() { failures[i] = r.connectTarget(ctx, machine) })
	}
	wait.Wait()
	return connected, errors.Join(failures...)
}

func (r *labRun) connectTarget(ctx context.Context, m *machine) error {
	target, script, err := r.target(m)
	if err != nil {
		return err
	}
	target.Patience = r.app.config.GetDuration(keySSHPatience)
	if m.host, err = remote.Connect(ctx, target); err != nil {
		return err
	}
	if err := r.placeFio(ctx, m); err != nil {
		return err
	}
	if m.fio != "" {
		script.Env = append(script.Env, envFio+m.fio)
	}
	if m.facts, err = factsOf(ctx, m.host, m.name, script); err != nil {
		return err
	}
	for key, value := range r.Journal.State().Facts[m.name] {
		if strings.HasPrefix(key, stepFact) || strings.HasPrefix(key, plan.FactPrefix) {
			m.facts[key] = value
		}
	}
	return r.checkTarget(m)
}

// factsOf runs the script that tells a target's facts.
func factsOf(ctx context.Context, host *remote.Host, name string, script guestsetup.Script) (map[string]string, error) {
	output, err := host.Run(ctx, remote.Command{Script: script.Text, Env: script.Env})
	if err != nil {
		return nil, fmt.Errorf("asking %s for its facts: %w", name, err)
	}
	facts, err := guestsetup.ParseFacts(output.Stdout)
	if err != nil {
		return nil, fmt.Errorf("asking %s for its facts: %w", name, err)
	}
	return facts, nil
}

// target is how to log in, and the script that tells the target's facts.
func (r *labRun) target(m *machine) (remote.Target, guestsetup.Script, error) {
	if r.Lab.Host != nil && m.name == r.Lab.Host.Name {
		target, directory, err := r.app.hostTarget(r.server, *r.Lab.Host)
		return target, guestsetup.HostFacts(directory), err
	}
	m.isVM = true
	state := r.Journal.State()
	vm, _ := state.VM(m.name)
	m.vmid = vm.VMID
	if state.Fact(m.name, factVMID) != fmt.Sprint(vm.VMID) {
		return remote.Target{}, guestsetup.Script{}, fmt.Errorf("VM %s is not ready: run `labctl up` first", m.name)
	}
	signer, _, err := r.Key()
	if err != nil {
		return remote.Target{}, guestsetup.Script{}, err
	}
	target, err := r.server.vmTarget(r.Lab, m.name, state.Fact(m.name, factAddress), state.Fact(m.name, factHostKey), signer)
	return target, guestsetup.Facts(r.vmSpec(m.name)), err
}

func (r *labRun) vmSpec(name string) labspec.VM {
	for _, vm := range r.Lab.VMs {
		if vm.Name == name {
			return vm
		}
	}
	return labspec.VM{}
}

// checkTarget refuses a target that cannot run fio.
func (r *labRun) checkTarget(m *machine) error {
	switch {
	case m.facts[factFio] == "":
		return fmt.Errorf("target %s has no fio that runs: install it there (apt-get install fio), or give a static one with %s", m.name, keyFioBinary)
	case m.facts[factDirectory] == "":
		return fmt.Errorf("target %s has no directory to measure in: create it and let %s write to it", m.name, m.facts["user"])
	case m.isVM && r.Journal.State().Fact(m.name, factBootID) != m.facts[factBootID]:
		r.app.progress().Line("%s was restarted since `up`", m.name)
	}
	return nil
}
