package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"labctl/pkg/bench/suite"
	"labctl/pkg/lab/plan"
	"labctl/pkg/labspec"
)

// checkVMs refuses to measure VMs that are not what the spec says, since the spec goes into the results as what was
// measured. It returns the VMs' configurations as PVE has them.
func (r *labRun) checkVMs(ctx context.Context, schedule []suite.Planned) (map[string]map[string]string, error) {
	observed, err := r.look(ctx)
	if err != nil {
		return nil, err
	}
	configs := map[string]map[string]string{}
	for _, vm := range r.Lab.VMs {
		if !slices.ContainsFunc(schedule, func(p suite.Planned) bool { return p.Target == vm.Name }) {
			continue
		}
		found, ok := observed.VM(vm.Name)
		switch {
		case !ok:
			return nil, fmt.Errorf("VM %s of the lab does not exist: run `labctl up` first", vm.Name)
		case !found.Running:
			return nil, fmt.Errorf("VM %s (%d) is stopped: run `labctl up` to start it", vm.Name, found.Ref.ID)
		}
		if err := plan.DriftWhenUp(r.Lab, vm, int(found.Ref.ID), found.Config); err != nil {
			return nil, err
		}
		configs[vm.Name] = measuredConfig(vm, found.Config.Raw)
		configs[vm.Name]["pve_node"] = found.Ref.Node
		if found.Ref.Node != vm.Node {
			r.app.progress().Line("VM %s was moved from node %s to %s: it is measured there", vm.Name, vm.Node, found.Ref.Node)
		}
	}
	return configs, nil
}

// measuredConfig is what of a VM's configuration matters to its storage.
func measuredConfig(vm labspec.VM, raw map[string]string) map[string]string {
	config := map[string]string{}
	for _, key := range []string{"cores", "sockets", "cpu", "numa", "memory", "balloon", "machine", "scsihw", plan.DataSlot(vm.DataDisk)} {
		if value := strings.TrimSpace(raw[key]); value != "" {
			config["pve_"+key] = value
		}
	}
	return config
}

// addConfigs adds the VMs' configurations to what is known of the targets.
func (m machines) addConfigs(configs map[string]map[string]string) {
	for _, machine := range m {
		for key, value := range configs[machine.name] {
			machine.facts[key] = value
		}
	}
}

// endOldTrials ends what a `bench` that was killed left running on the targets: it would disturb what is measured now.
func (r *labRun) endOldTrials(ctx context.Context, machines machines) error {
	for id, name := range r.Journal.State().Detached {
		for _, machine := range machines {
			if machine.name != name {
				continue
			}
			r.app.progress().Line("%s: ending a trial that an earlier bench left running", name)
			if err := machine.host.StopDetached(ctx, id); err != nil {
				return fmt.Errorf("ending an earlier trial on %s: %w", name, err)
			}
			if err := r.Journal.Attached(id); err != nil {
				return err
			}
		}
	}
	return nil
}
