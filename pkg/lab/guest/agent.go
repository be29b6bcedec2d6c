package guest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"

	"labctl/pkg/pve"
	"labctl/pkg/remote"
)

// hostKeyFile is the one key file that every sshd of the last decade makes.
const hostKeyFile = "/etc/ssh/ssh_host_ed25519_key.pub"

// agentAnswers asks the agent for what is needed of it anyway: an answer is a sign of life, whatever it says.
func (v *visit) agentAnswers(ctx context.Context) error {
	key, err := v.Agent.AgentReadFile(ctx, v.vm.Ref, hostKeyFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return ofPVE(err)
	}
	v.firstKey = key
	return nil
}

// pinHostKey learns the guest's host key on a way that needs no trust in the network.
func (v *visit) pinHostKey(ctx context.Context) error {
	if key := v.firstKey; key != nil {
		v.firstKey = nil
		if v.pin(key) == nil {
			return nil
		}
	}
	key, err := v.Agent.AgentReadFile(ctx, v.vm.Ref, hostKeyFile)
	if err != nil {
		return ofPVE(err)
	}
	return v.pin(key)
}

func (v *visit) pin(key []byte) error {
	if _, err := remote.ParsePinnedKeys(key); err != nil {
		return fmt.Errorf("%s in the guest: %w", hostKeyFile, err)
	}
	v.ready.HostKey = strings.TrimSpace(string(key))
	return nil
}

func (v *visit) findAddress(ctx context.Context) error {
	if v.vm.Address.IsValid() {
		v.ready.Address = v.vm.Address.String()
		return nil
	}
	interfaces, err := v.Agent.AgentInterfaces(ctx, v.vm.Ref)
	if err != nil {
		return ofPVE(err)
	}
	address, err := addressOf(interfaces, v.vm.MAC)
	if err != nil {
		return err
	}
	v.ready.Address = address.String()
	return nil
}

// addressOf picks the interface by its MAC address: guests may have bridges and tunnels of their own.
func addressOf(interfaces []pve.Interface, mac string) (netip.Addr, error) {
	var found []string
	for _, i := range interfaces {
		found = append(found, fmt.Sprintf("%s %s %v", i.Name, i.MAC, i.Addresses))
		if !strings.EqualFold(i.MAC, mac) {
			continue
		}
		for _, prefix := range i.Addresses {
			if address := prefix.Addr(); address.Is4() && address.IsGlobalUnicast() {
				return address, nil
			}
		}
	}
	return netip.Addr{}, fmt.Errorf("no IPv4 address on the interface %s; the guest has: %s", mac, strings.Join(found, ", "))
}

// ofPVE marks those errors of PVE as final that no booting guest cures.
func ofPVE(err error) error {
	for _, hopeless := range []error{
		pve.ErrPermission, pve.ErrAuth, pve.ErrAgentNotConfigured, pve.ErrVMNotRunning, pve.ErrVMNotFound, pve.ErrUnsupported, pve.ErrInvalid,
	} {
		if errors.Is(err, hopeless) {
			return final(err)
		}
	}
	return err
}
