package labspec

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// Host is the PVE host itself as a target.
type Host struct {
	Name      string // name of the target
	SSH       SSHAddress
	Directory string   // absolute; fio's files live in it, on the storage to compare with
	Zvols     []string // names of VMs whose data disks may be overwritten from the host, while they are stopped
}

// SSHAddress says where and as whom to log in, written root@192.168.7.2 or root@192.168.7.2:2222.
type SSHAddress struct {
	User string
	Host string // name or address, IPv6 without brackets
	Port int
}

// defaultSSHPort is the port of an address that names none.
const defaultSSHPort = 22

var dnsName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$`)

// ParseSSHAddress reads user@host or user@host:port; an IPv6 address with a port needs brackets.
func ParseSSHAddress(text string) (SSHAddress, error) {
	wrong := func(problem string) (SSHAddress, error) {
		return SSHAddress{}, &valueError{fmt.Sprintf("%q %s", text, problem), "write user@host or user@host:port, such as root@192.168.7.2"}
	}
	user, rest, ok := strings.Cut(text, "@")
	if !ok {
		return wrong("does not say which user logs in")
	}
	address := SSHAddress{User: user, Host: rest, Port: defaultSSHPort}
	if host, port, err := net.SplitHostPort(rest); err == nil {
		number, err := strconv.ParseUint(port, 10, 16)
		if err != nil || number == 0 {
			return wrong("has a port that is not 1 to 65535")
		}
		address.Host, address.Port = host, int(number)
	}
	_, errAddr := netip.ParseAddr(address.Host)
	switch {
	case userName.check(user) != nil:
		return wrong("has a user name that Linux does not accept")
	case errAddr != nil && (!dnsName.MatchString(address.Host) || len(address.Host) > 253):
		return wrong("has no usable host name or address")
	}
	return address, nil
}

// String returns the address as the file has it; the port only where it is not 22.
func (a SSHAddress) String() string {
	if a.Port == defaultSSHPort {
		return a.User + "@" + a.Host
	}
	return a.User + "@" + net.JoinHostPort(a.Host, strconv.Itoa(a.Port))
}
