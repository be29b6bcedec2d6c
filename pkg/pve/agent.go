package pve

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// AgentPing asks the guest agent for a sign of life. ErrAgentNotAnswering is
// usual while the guest boots; PVE takes 3 s to say so.
func (c *Client) AgentPing(ctx context.Context, ref VMRef) error {
	return c.send(ctx, call{method: http.MethodPost, path: ref.path("/agent/ping"), readOnly: true}, nil)
}

// Interface is a network interface as the guest sees it.
type Interface struct {
	Name string
	// MAC is in upper case, as in the VM's config.
	MAC string
	// Addresses are in the agent's order, link-local ones included.
	Addresses []netip.Prefix
}

// AgentInterfaces asks the guest agent for the guest's network interfaces.
func (c *Client) AgentInterfaces(ctx context.Context, ref VMRef) ([]Interface, error) {
	var w struct {
		Result []struct {
			Name      wireText `json:"name"`
			MAC       wireText `json:"hardware-address"`
			Addresses []struct {
				Address wireText `json:"ip-address"`
				Prefix  wireInt  `json:"prefix"`
			} `json:"ip-addresses"`
		} `json:"result"`
	}
	if err := c.get(ctx, ref.path("/agent/network-get-interfaces"), &w); err != nil {
		return nil, err
	}
	interfaces := make([]Interface, 0, len(w.Result))
	for _, i := range w.Result {
		out := Interface{Name: string(i.Name), MAC: strings.ToUpper(string(i.MAC))}
		for _, a := range i.Addresses {
			addr, err := netip.ParseAddr(string(a.Address))
			if err != nil {
				return nil, fmt.Errorf("reading interface %s of %v: %w", i.Name, ref, err)
			}
			out.Addresses = append(out.Addresses, netip.PrefixFrom(addr, int(a.Prefix)))
		}
		interfaces = append(interfaces, out)
	}
	return interfaces, nil
}

// AgentReadFile reads a file of the guest, at most 16 MiB, as root. The error
// for a missing file is fs.ErrNotExist.
func (c *Client) AgentReadFile(ctx context.Context, ref VMRef, path string) ([]byte, error) {
	var w struct {
		Content   wireText `json:"content"`
		Truncated wireBool `json:"truncated"`
	}
	if err := c.get(ctx, ref.path("/agent/file-read"), &w, Param{"file", path}); err != nil {
		return nil, err
	}
	if w.Truncated {
		return nil, fmt.Errorf("reading %s of %v: file is longer than the agent returns", path, ref)
	}
	content, err := latin1Bytes(string(w.Content))
	if err != nil {
		return nil, fmt.Errorf("reading %s of %v: %w", path, ref, err)
	}
	return content, nil
}

// OSInfo is the guest's operating system by its own account.
type OSInfo struct {
	// ID, Name, PrettyName, Version and VersionID are from the guest's os-release.
	ID, Name, PrettyName, Version, VersionID string
	// KernelRelease, KernelVersion and Machine are from its uname.
	KernelRelease, KernelVersion, Machine string
}

// AgentOSInfo asks the guest agent for the guest's operating system.
func (c *Client) AgentOSInfo(ctx context.Context, ref VMRef) (OSInfo, error) {
	var w struct {
		Result struct {
			ID            wireText `json:"id"`
			Name          wireText `json:"name"`
			PrettyName    wireText `json:"pretty-name"`
			Version       wireText `json:"version"`
			VersionID     wireText `json:"version-id"`
			KernelRelease wireText `json:"kernel-release"`
			KernelVersion wireText `json:"kernel-version"`
			Machine       wireText `json:"machine"`
		} `json:"result"`
	}
	if err := c.get(ctx, ref.path("/agent/get-osinfo"), &w); err != nil {
		return OSInfo{}, err
	}
	r := w.Result
	return OSInfo{
		ID: string(r.ID), Name: string(r.Name), PrettyName: string(r.PrettyName),
		Version: string(r.Version), VersionID: string(r.VersionID),
		KernelRelease: string(r.KernelRelease), KernelVersion: string(r.KernelVersion), Machine: string(r.Machine),
	}, nil
}
