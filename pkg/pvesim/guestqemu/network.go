package guestqemu

import (
	"fmt"
	"net/netip"
	"strings"

	"labctl/pkg/pvesim"
)

// network is QEMU's user-mode network for one VM: it has the guest's address in a network of its own, in which QEMU plays
// the router and the DNS server, and forwards one port of loopback to the guest's SSH server. The kernel chooses that
// port; QEMU tells it when asked. Isolated guests reach nothing outside.
func network(address netip.Prefix, spec pvesim.GuestSpec, isolated bool) string {
	router, resolver := roles(address, spec)
	var b strings.Builder
	fmt.Fprintf(&b, "user,id=net0,ipv6=off,net=%s,host=%s,dns=%s,dhcpstart=%s", address.Masked(), router, resolver, address.Addr())
	if isolated {
		b.WriteString(",restrict=on")
	}
	fmt.Fprintf(&b, ",hostfwd=tcp:127.0.0.1:0-%s:22", address.Addr())
	return b.String()
}

// roles picks the addresses of the router and the DNS server. A lab mostly gives them one and the same; QEMU needs two,
// but routes what comes for either of them.
func roles(address netip.Prefix, spec pvesim.GuestSpec) (router, resolver netip.Addr) {
	taken := map[netip.Addr]bool{address.Addr(): true}
	take := func(wanted netip.Addr) netip.Addr {
		if !wanted.IsValid() || !address.Contains(wanted) || taken[wanted] {
			for wanted = address.Masked().Addr().Next(); taken[wanted]; {
				wanted = wanted.Next()
			}
		}
		taken[wanted] = true
		return wanted
	}
	first, _, _ := strings.Cut(spec.Config["nameserver"], " ")
	if server, err := netip.ParseAddr(first); err == nil && address.Contains(server) {
		resolver = take(server)
	}
	router = take(spec.Gateway)
	if !resolver.IsValid() {
		resolver = take(netip.Addr{})
	}
	return router, resolver
}

// lease hands out addresses to VMs with DHCP: 10.255.x.y/16, mostly the same for a VMID in every sandbox.
func lease(vmid int, taken func(netip.Addr) bool) netip.Prefix {
	const hosts = 254 * 253 // without the first addresses of each part, which QEMU needs
	for n := vmid % hosts; ; n = (n + 1) % hosts {
		address := netip.AddrFrom4([4]byte{10, 255, byte(n/253 + 1), byte(n%253 + 2)})
		if !taken(address) {
			return netip.PrefixFrom(address, 16)
		}
	}
}
