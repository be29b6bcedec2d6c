package guesthost

import (
	"context"
	"net"
	"net/netip"

	"labctl/pkg/pvesim/gateway"
)

// Gateway serves the way to these machines alone until ctx ends.
func (m *Machines) Gateway(ctx context.Context, listener net.Listener) error {
	return gateway.Serve(ctx, listener, m.Route)
}

// Route is a gateway.Route to the machine that has an address now.
func (m *Machines) Route(address netip.Addr) (loopback string, found bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	machine := m.routes[address]
	if machine == nil {
		return "", false
	}
	return machine.server.listener.Addr().String(), true
}
