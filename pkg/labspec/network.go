package labspec

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
)

// Network is how the VMs are reached. labctl configures IPv4 only.
type Network struct {
	Bridge     string
	Address    AddressPattern // zero: the guests ask DHCP
	Gateway    netip.Addr     // zero: none
	Nameserver netip.Addr     // zero: the template's, or the host's
}

// AddressOf returns address and prefix length of the i-th VM of the lab (counted from 0); false with DHCP and beyond
// the end of the range.
func (n Network) AddressOf(i int) (netip.Prefix, bool) {
	if i < 0 || i >= n.Address.Len() {
		return netip.Prefix{}, false
	}
	octets := n.Address.First.As4()
	octets[3] += byte(i)
	return netip.PrefixFrom(netip.AddrFrom4(octets), n.Address.Bits), true
}

// AddressPattern is a range of static IPv4 addresses that differ in the last number, both ends included, written
// 192.168.7.{101..199}/24. The zero value means DHCP.
type AddressPattern struct {
	First, Last netip.Addr
	Bits        int // prefix length
}

var addressPattern = regexp.MustCompile(`^(\d+\.\d+\.\d+\.)(?:(\d+)|\{(\d+)\.\.(\d+)\})/(\d+)$`)

// ParseAddressPattern reads dhcp, a range such as 192.168.7.{101..199}/24, or one address such as 192.168.7.101/24.
func ParseAddressPattern(text string) (AddressPattern, error) {
	if text == "dhcp" {
		return AddressPattern{}, nil
	}
	const remedy = `write "192.168.7.{101..199}/24", or dhcp`
	parts := addressPattern.FindStringSubmatch(text)
	if parts == nil {
		return AddressPattern{}, &valueError{fmt.Sprintf("%q is not a range of IPv4 addresses", text), remedy}
	}
	low, high := parts[2]+parts[3], parts[2]+parts[4]
	first, errFirst := netip.ParseAddr(parts[1] + low)
	last, errLast := netip.ParseAddr(parts[1] + high)
	bits, errBits := strconv.Atoi(parts[5])
	switch {
	case errFirst != nil || errLast != nil:
		return AddressPattern{}, &valueError{fmt.Sprintf("%q has a number that is not 0 to 255", text), remedy}
	case last.Less(first):
		return AddressPattern{}, &valueError{fmt.Sprintf("the range %s..%s is empty", low, high), fmt.Sprintf("write {%s..%s}", high, low)}
	case errBits != nil || bits < 8 || bits > 30:
		return AddressPattern{}, &valueError{fmt.Sprintf("the prefix length /%s is not 8 to 30", parts[5]), "write the bridge's own, such as /24"}
	}
	return AddressPattern{First: first, Last: last, Bits: bits}, nil
}

// String returns the pattern as the file has it.
func (p AddressPattern) String() string {
	switch {
	case p.IsDHCP():
		return "dhcp"
	case p.First == p.Last:
		return netip.PrefixFrom(p.First, p.Bits).String()
	}
	first := p.First.As4()
	return fmt.Sprintf("%d.%d.%d.{%d..%d}/%d", first[0], first[1], first[2], first[3], p.Last.As4()[3], p.Bits)
}

// IsDHCP reports whether the guests get their addresses from DHCP.
func (p AddressPattern) IsDHCP() bool { return !p.First.IsValid() }

// Len returns how many addresses the range has; 0 with DHCP.
func (p AddressPattern) Len() int {
	if p.IsDHCP() {
		return 0
	}
	return int(p.Last.As4()[3]) - int(p.First.As4()[3]) + 1
}

// Contains reports whether the address lies in the range.
func (p AddressPattern) Contains(a netip.Addr) bool {
	return !p.IsDHCP() && !a.Less(p.First) && !p.Last.Less(a)
}

// Prefix returns the network that the range lies in.
func (p AddressPattern) Prefix() netip.Prefix { return netip.PrefixFrom(p.First, p.Bits).Masked() }
