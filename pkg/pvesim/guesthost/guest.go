package guesthost

import (
	"bufio"
	"bytes"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"labctl/pkg/pvesim"
)

// osRelease is what this machine says of itself; guests run on it, so it is theirs, too.
const osRelease = "/etc/os-release"

// guest is a VM as the emulator sees it, and its own guest agent.
type guest struct {
	machines *Machines
	machine  *machine
	spec     pvesim.GuestSpec
	agentAt  time.Time
}

func newGuest(machines *Machines, machine *machine, spec pvesim.GuestSpec) *guest {
	return &guest{machines, machine, spec, spec.Started.Add(machines.options.AgentAfter)}
}

// PowerOff implements pvesim.Guest.
func (g *guest) PowerOff() error { return g.machines.stop(g.machine) }

// Agent implements pvesim.Guest.
func (g *guest) Agent() (pvesim.Agent, bool) {
	g.machine.starting.RLock()
	defer g.machine.starting.RUnlock()
	return g, !g.machine.off && !time.Now().Before(g.agentAt)
}

// Interfaces implements pvesim.Agent. The guest's address is one that only the
// gateway knows.
func (g *guest) Interfaces() []pvesim.AgentInterface {
	addresses := g.spec.Addresses
	if len(addresses) == 0 {
		const bits = 16 // of 10.255.0.0
		for _, address := range g.machine.addresses {
			addresses = append(addresses, netip.PrefixFrom(address, bits))
		}
	}
	return []pvesim.AgentInterface{
		{Name: "lo", MAC: "00:00:00:00:00:00", Addresses: []netip.Prefix{
			netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("::1/128"),
		}},
		{Name: "eth0", MAC: strings.ToLower(g.spec.MAC), Addresses: addresses},
	}
}

// ReadFile implements pvesim.Agent. Only these files exist: the agent must not
// be a way to read this machine's.
func (g *guest) ReadFile(path string) ([]byte, error) {
	switch path {
	case "/etc/ssh/ssh_host_ed25519_key.pub":
		return []byte(g.machine.publicHostKey()), nil
	case "/etc/hostname":
		return []byte(g.spec.Name + "\n"), nil
	case osRelease:
		return os.ReadFile(osRelease)
	}
	return nil, fmt.Errorf("reading file of guest: %w", &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist})
}

// OSInfo implements pvesim.Agent. What this machine does not tell stays empty.
func (g *guest) OSInfo() pvesim.AgentOSInfo {
	var info pvesim.AgentOSInfo
	if text, err := os.ReadFile(osRelease); err == nil {
		values := parseOSRelease(text)
		info.ID, info.Name, info.PrettyName = values["ID"], values["NAME"], values["PRETTY_NAME"]
		info.Version, info.VersionID = values["VERSION"], values["VERSION_ID"]
	}
	var kernel unix.Utsname
	if unix.Uname(&kernel) == nil {
		info.KernelRelease = unix.ByteSliceToString(kernel.Release[:])
		info.KernelVersion = unix.ByteSliceToString(kernel.Version[:])
		info.Machine = unix.ByteSliceToString(kernel.Machine[:])
	}
	return info
}

// parseOSRelease reads KEY=value lines, with values quoted or not.
func parseOSRelease(text []byte) map[string]string {
	values := map[string]string{}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		key, value, ok := strings.Cut(lines.Text(), "=")
		if !ok {
			continue
		}
		if plain, err := strconv.Unquote(value); err == nil {
			value = plain
		}
		values[key] = value
	}
	return values
}
