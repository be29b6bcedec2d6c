package pve

import (
	"context"
	"net/url"
	"slices"
	"strings"
)

// Bridge is a bridge of a node, or a virtual network of SDN, to plug VMs into.
type Bridge struct {
	Name string
	// Type is "bridge", "OVSBridge" or "vnet".
	Type string
	// Active tells that the bridge is up.
	Active bool
	// CIDR is the node's own address on the bridge with prefix length, "" for none.
	CIDR string
	// Gateway is the node's router on that network, "" when it is on another one.
	Gateway string
}

// Bridges lists the bridges of a node that the token may use (SDN.Use) or
// audit, sorted by name. Others are left out silently.
func (c *Client) Bridges(ctx context.Context, node string) ([]Bridge, error) {
	var w []struct {
		Name    wireText `json:"iface"`
		Type    wireText `json:"type"`
		Active  wireBool `json:"active"`
		CIDR    wireText `json:"cidr"`
		Gateway wireText `json:"gateway"`
	}
	if err := c.get(ctx, "/nodes/"+url.PathEscape(node)+"/network", &w, Param{"type", "any_bridge"}); err != nil {
		return nil, err
	}
	bridges := make([]Bridge, 0, len(w))
	for _, b := range w {
		bridges = append(bridges, Bridge{
			Name: string(b.Name), Type: string(b.Type), Active: bool(b.Active), CIDR: string(b.CIDR), Gateway: string(b.Gateway),
		})
	}
	slices.SortFunc(bridges, func(a, b Bridge) int { return strings.Compare(a.Name, b.Name) })
	return bridges, nil
}
