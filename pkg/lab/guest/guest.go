// Package guest decides that a started VM can be measured, or says why not. It tries named probes, one after the other:
// something listens at its address, the guest agent answers and tells the host key, there is an address, SSH lets labctl in,
// the guest is prepared, its facts are complete, and the data disk is what the lab file asks for. The result holds until the
// guest boots again.
package guest

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"labctl/pkg/pve"
	"labctl/pkg/remote"
)

// VM is what to wait for.
type VM struct {
	Name    string
	Ref     pve.VMRef
	MAC     string         // of the interface to log in through, in any case
	Address netip.Addr     // static; invalid: the agent is asked
	Prepare remote.Command // makes the guest fit for measuring and prints its facts; may run again
	Disk    Disk
}

// Disk is the data disk as it was asked for.
type Disk struct {
	Slot      string // on PVE, such as scsi1
	SizeBytes int64
	SSD       bool
	Discard   bool
}

// Ready is a guest that can be measured.
type Ready struct {
	Address string            // IP address, without a port
	HostKey string            // public key line, read through the agent
	BootID  string            // of the boot in which all of this holds
	Facts   map[string]string // as the preparation printed them
	Host    Host              // open; the caller closes it
}

// Agent asks a guest's agent; *pve.Client is one.
type Agent interface {
	AgentInterfaces(ctx context.Context, vm pve.VMRef) ([]pve.Interface, error)
	AgentReadFile(ctx context.Context, vm pve.VMRef, path string) ([]byte, error)
}

// Host is an SSH connection to a guest; *remote.Host is one.
type Host interface {
	Run(ctx context.Context, command remote.Command) (remote.Output, error)
	Close() error
}

// Waiter waits for guests. It may wait for several at once.
type Waiter struct {
	Agent Agent
	// Connect logs in once to a guest whose host key must be the given one.
	Connect func(ctx context.Context, vm VM, address, hostKey string) (Host, error)
	// Reach tells whether anything listens for SSH at a static address; it may be nil. Asking the network first spares PVE
	// a question every few seconds, each of which it takes 3 s to answer while no agent does.
	Reach func(ctx context.Context, address string) error
	// ParseFacts reads what Prepare printed.
	ParseFacts func(output []byte) (map[string]string, error)
	// Limits bound the probes.
	Limits Limits
	// Observe is told what happens, from the goroutine that waits; it may be nil.
	Observe func(Event)
}

// Await waits until the guest can be measured. The error is a *NotReadyError, or ctx's when that ended first.
func (w *Waiter) Await(ctx context.Context, vm VM) (Ready, error) {
	v := &visit{Waiter: w, vm: vm, asked: time.Now()}
	probes := v.probes(w.Limits.withDefaults())
	for i, probe := range probes {
		if err := v.await(ctx, probe, i+1, len(probes)); err != nil {
			return Ready{}, errors.Join(err, v.close())
		}
	}
	return v.ready, nil
}

// visit is the wait for one guest, with what was learnt so far.
type visit struct {
	*Waiter

	vm       VM
	ready    Ready
	firstKey []byte    // the host key file as the agent's first answer had it
	note     string    // of the current probe
	asked    time.Time // when PVE was last asked while the network was waited for
}

func (v *visit) close() error {
	if v.ready.Host == nil {
		return nil
	}
	return v.ready.Host.Close()
}

// instant is the limit of probes that only look at what is known.
const instant = time.Second

// probes are the conditions, in the order in which a guest comes to meet them.
func (v *visit) probes(limits Limits) []probe {
	probes := []probe{
		{
			"guest agent", "the guest agent", true, limits.Agent, otherPause, v.agentAnswers,
			"is qemu-guest-agent installed in the template? the VM's console on PVE shows how far it booted",
		},
		{
			"host key", "its SSH host key", false, limits.HostKey, otherPause, v.pinHostKey,
			"is sshd installed in the template, and does it have an ed25519 host key after the first boot?",
		},
		{
			"address", "an address", false, limits.Address, otherPause, v.findAddress,
			"is there a DHCP server on the bridge? network.address in the lab file gives static addresses",
		},
		{
			"SSH login", "the SSH login", false, limits.SSH, otherPause, v.logIn,
			"is the address free and reachable from here, and did cloud-init create the user with our key?",
		},
		{
			"preparation", "its preparation", false, limits.Prepare, otherPause, v.prepare,
			"/var/log/cloud-init-output.log in the guest tells what happened before",
		},
		{
			"facts", "its facts", false, instant, otherPause, v.checkFacts,
			"is the template a Linux with GNU userland?",
		},
		{
			"data disk", "a look at its data disk", false, instant, otherPause, v.checkDisk,
			"compare the VM's hardware on PVE with the lab file; PVE applies some options only at a cold start",
		},
	}
	if v.Reach == nil || !v.vm.Address.IsValid() {
		return probes
	}
	return append([]probe{{
		"network", "its network", true, limits.Boot, networkPause, v.reach,
		"does the VM boot (look at its console on PVE), is the address in the bridge's network, and is it routed to here?",
	}}, probes...)
}
