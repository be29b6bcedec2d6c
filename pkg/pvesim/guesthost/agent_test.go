package guesthost

import (
	"errors"
	"io/fs"
	"testing"
	"time"
)

func TestAgent(t *testing.T) {
	key := newSigner(t)
	machines := newMachines(t, Options{AgentAfter: time.Hour})
	spec := testSpec(key)
	spec.Started = time.Now()
	late := boot(t, machines, spec)
	if _, ok := late.Agent(); ok {
		t.Error("the agent answers at once")
	}
	spec.VMID, spec.Addresses, spec.Started = 102, nil, time.Now().Add(-2*time.Hour)
	guest := boot(t, machines, spec)
	agent, ok := guest.Agent()
	if !ok {
		t.Fatal("the agent does not answer")
	}
	interfaces := agent.Interfaces()
	if got := interfaces[1]; got.MAC != "bc:24:11:00:00:01" || len(got.Addresses) != 1 || got.Addresses[0].String() != "10.255.1.103/16" {
		t.Errorf("interfaces: %v", interfaces)
	}
	if name, err := agent.ReadFile("/etc/hostname"); err != nil || string(name) != "vm1\n" {
		t.Errorf("hostname %q, %v", name, err)
	}
	for _, path := range []string{"/etc/passwd", "/etc/hostname/", "etc/hostname", "/etc/../etc/hostname", ""} {
		if _, err := agent.ReadFile(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v, want fs.ErrNotExist", path, err)
		}
	}
	if info := agent.OSInfo(); info.KernelRelease == "" || info.Machine == "" {
		t.Errorf("os info: %+v", info)
	}
	if err := guest.PowerOff(); err != nil {
		t.Fatal(err)
	}
	if _, ok := guest.Agent(); ok {
		t.Error("the agent answers after power off")
	}
}

func TestParseOSRelease(t *testing.T) {
	got := parseOSRelease([]byte("ID=debian\nPRETTY_NAME=\"Debian 12 (x)\"\n# comment\n\nVERSION_ID=\"12\"\n"))
	if got["ID"] != "debian" || got["PRETTY_NAME"] != "Debian 12 (x)" || got["VERSION_ID"] != "12" {
		t.Errorf("got %v", got)
	}
}
