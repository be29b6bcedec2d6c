package cli

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"strings"

	"labctl/pkg/lab/change"
	"labctl/pkg/lab/guest"
	"labctl/pkg/lab/guestsetup"
	"labctl/pkg/lab/plan"
	"labctl/pkg/remote"
)

// readiness lets apply wait for guests.
type readiness struct{ run *labRun }

// Await waits until the VM can be measured and returns what was learnt of it.
func (r *readiness) Await(ctx context.Context, vm change.VM) (map[string]string, error) {
	signer, _, err := r.run.Key()
	if err != nil {
		return nil, err
	}
	waiter := &guest.Waiter{
		Agent:      r.run.server.agent(),
		ParseFacts: guestsetup.ParseFacts,
		Connect: func(ctx context.Context, _ guest.VM, address, hostKey string) (guest.Host, error) {
			target, err := r.run.server.vmTarget(r.run.Lab, vm.Spec.Name, address, hostKey, signer)
			if err != nil {
				return nil, err
			}
			return remote.Connect(ctx, target)
		},
		Reach:   r.run.server.reach,
		Limits:  r.run.app.limits(r.run.server),
		Observe: r.observe(vm),
	}
	ready, err := waiter.Await(ctx, r.guest(vm))
	if err != nil {
		return nil, r.run.server.withConsole(err, int(vm.Ref.ID))
	}
	facts := maps.Clone(ready.Facts)
	facts[factVMID] = vm.Ref.ID.String()
	facts[factAddress], facts[factHostKey], facts[factBootID] = ready.Address, ready.HostKey, ready.BootID
	if err := ready.Host.Close(); err != nil {
		r.run.app.log.Debug("closing the connection", "vm", vm.Spec.Name, "error", err)
	}
	return facts, nil
}

// guest is what to wait for.
func (r *readiness) guest(vm change.VM) guest.VM {
	script := guestsetup.Prepare(vm.Spec)
	wanted := guest.VM{
		Name: vm.Spec.Name, Ref: vm.Ref, MAC: macOf(vm.Config.Raw["net0"]),
		Prepare: remote.Command{Script: script.Text, Env: script.Env},
		Disk: guest.Disk{
			Slot: plan.DataSlot(vm.Spec.DataDisk), SizeBytes: int64(vm.Spec.DataDisk.Size),
			SSD: vm.Spec.DataDisk.SSD, Discard: vm.Spec.DataDisk.Discard,
		},
	}
	if prefix, static := r.run.Lab.Network.AddressOf(vm.Index); static {
		wanted.Address = prefix.Addr()
	} else {
		wanted.Address = netip.Addr{}
	}
	return wanted
}

// macOf reads the MAC address from a network device such as "virtio=BC:24:11:00:00:01,bridge=vmbr0" (qm(1), net[n]).
func macOf(device string) string {
	model, _, _ := strings.Cut(device, ",")
	_, mac, _ := strings.Cut(model, "=")
	return mac
}

// observe logs what the probes do, and shows what the VM waits for.
func (r *readiness) observe(vm change.VM) func(guest.Event) {
	return func(event guest.Event) {
		r.run.app.log.Debug("readiness", "vm", vm.Spec.Name, "probe", fmt.Sprintf("%d/%d %s", event.Number, event.Of, event.Probe),
			"event", string(event.Kind), "waited", event.Waited, "error", event.Err, "note", event.Note)
		r.run.steps.Waits(vm.Spec.Name, r.waitsFor(event, int(vm.Ref.ID)))
	}
}

// waitsFor says what is waited for; of a guest that boots also the last line of its console, where that can be had.
func (r *readiness) waitsFor(event guest.Event, vmid int) string {
	text := "waiting for " + event.Awaited
	if !event.Booting || event.Kind != guest.Retried {
		return text
	}
	if lines := r.run.server.console(vmid, 1); len(lines) > 0 {
		return text + ", still booting: " + lines[0]
	}
	return text
}
