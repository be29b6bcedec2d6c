package guest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"labctl/pkg/pve"
	"labctl/pkg/remote"
)

const (
	templateKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGdcLRcjl05jgc2O1gXC1kNLFfwBl+qghqDmQchwP1wa template"
	ownKey      = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7TJ0KkF1mzaZYgQ0Wa1zgJpLgUyPDRHdWnx0dOpqC7 2gb"
	bootID      = "3f1c6a4e-boot"
)

// What production passes in.
var (
	_ Agent = (*pve.Client)(nil)
	_ Host  = (*remote.Host)(nil)
)

// fakeGuest is a VM that boots as time passes: each thing works from some time after the start on.
type fakeGuest struct {
	tb                               testing.TB
	start                            time.Time
	agent, keys, lease, sshd, admits time.Duration
	agentErr                         error         // while the agent does not answer
	dies                             time.Duration // 0: never
	interfaces                       []pve.Interface
	facts                            map[string]string
	run                              func(command remote.Command) (remote.Output, error) // nil: everything works
	calls                            []string
	open                             int // connections
}

func newFakeGuest(tb testing.TB) *fakeGuest {
	tb.Helper()
	return &fakeGuest{
		tb: tb, start: time.Now(), agentErr: pve.ErrAgentNotAnswering,
		interfaces: []pve.Interface{
			{Name: "lo", MAC: "00:00:00:00:00:00", Addresses: prefixes("127.0.0.1/8")},
			{Name: "docker0", MAC: "02:42:00:00:00:01", Addresses: prefixes("172.17.0.1/16")},
			{Name: "eth0", MAC: "BC:24:11:00:00:01", Addresses: prefixes("fe80::1/64", "169.254.3.4/16", "fd00::7/64", "10.0.0.7/24")},
		},
		facts: map[string]string{
			"kind": "vm", "boot_id": bootID, "directory": "/opt/data", "fio_version": "fio-3.28", "disk": "sdb",
			"disk_size_bytes": "68719476736", "rotational": "0", "discard_max_bytes": "1073741824",
		},
	}
}

func prefixes(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// at notes a call and says whether what is up after a time is up.
func (g *fakeGuest) at(call string, after time.Duration) bool {
	g.calls = append(g.calls, call)
	return time.Since(g.start) >= after
}

func (g *fakeGuest) count(call string) int {
	n := 0
	for _, c := range g.calls {
		if c == call {
			n++
		}
	}
	return n
}

func (g *fakeGuest) AgentInterfaces(context.Context, pve.VMRef) ([]pve.Interface, error) {
	if !g.at("interfaces", g.lease) {
		return g.interfaces[:2], nil
	}
	return g.interfaces, nil
}

// AgentReadFile takes 3 s to fail while no agent answers, as PVE does.
func (g *fakeGuest) AgentReadFile(ctx context.Context, _ pve.VMRef, path string) ([]byte, error) {
	if !g.at("agent", g.agent) {
		select {
		case <-time.After(3 * time.Second):
			return nil, g.agentErr
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	switch {
	case g.dies > 0 && time.Since(g.start) >= g.dies:
		return nil, pve.ErrVMNotRunning
	case path != "/etc/ssh/ssh_host_ed25519_key.pub":
		g.tb.Errorf("the agent is asked for %s", path)
		return nil, fs.ErrNotExist
	case !g.at("read key", g.keys):
		return []byte(templateKey + "\n"), nil
	}
	return []byte(ownKey + "\n"), nil
}

func (g *fakeGuest) connect(_ context.Context, vm VM, address, hostKey string) (Host, error) {
	switch {
	case !g.at("connect "+address, g.sshd):
		return nil, &remote.UnreachableError{Target: vm.Name, Address: address, Err: errors.New("connection refused")}
	case hostKey != ownKey:
		return nil, &remote.HostKeyError{Target: vm.Name, Got: "own", Want: []string{"other"}}
	case time.Since(g.start) < g.admits:
		return nil, &remote.AuthError{Target: vm.Name, User: "lab"}
	}
	g.open++
	return fakeHost{g}, nil
}

type fakeHost struct{ *fakeGuest }

func (h fakeHost) Run(_ context.Context, command remote.Command) (remote.Output, error) {
	h.at("run "+cmp.Or(command.Script, strings.Join(command.Argv, " ")), 0)
	if h.run != nil {
		return h.run(command)
	}
	return h.answer(command), nil
}

// answer is what a healthy guest prints.
func (g *fakeGuest) answer(command remote.Command) remote.Output {
	if command.Script == "" {
		return remote.Output{Stdout: []byte(bootID + "\n")}
	}
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(g.facts)) {
		fmt.Fprintf(&text, "%s=%s\n", key, g.facts[key])
	}
	return remote.Output{Stdout: []byte(text.String())}
}

func (h fakeHost) Close() error {
	h.open--
	return nil
}

func parseFacts(output []byte) (map[string]string, error) {
	facts := map[string]string{}
	for line := range strings.Lines(string(output)) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok {
			return nil, errors.New("line 1 is not key=value")
		}
		facts[key] = value
	}
	return facts, nil
}

// wanted is the VM that the fake guest is.
func wanted() VM {
	return VM{
		Name: "2gb", Ref: pve.VMRef{Node: "pve", ID: 101}, Address: netip.MustParseAddr("192.168.7.101"),
		Prepare: remote.Command{Script: "prepare"}, Disk: Disk{Slot: "scsi1", SizeBytes: 64 << 30, SSD: true, Discard: true},
	}
}

func (g *fakeGuest) waiter() *Waiter {
	return &Waiter{Agent: g, Connect: g.connect, ParseFacts: parseFacts}
}
