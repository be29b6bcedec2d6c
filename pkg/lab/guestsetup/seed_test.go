package guestsetup

import (
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"labctl/pkg/labspec"
)

func TestCloud(t *testing.T) {
	pattern, err := labspec.ParseAddressPattern("192.168.7.{101..199}/24")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		network labspec.Network
		index   int
		want    []Param
	}{
		"static": {
			labspec.Network{Address: pattern, Gateway: netip.MustParseAddr("192.168.7.1"), Nameserver: netip.MustParseAddr("9.9.9.9")},
			2,
			[]Param{{"ciuser", "lab"}, {"ipconfig0", "ip=192.168.7.103/24,gw=192.168.7.1"}, {"ciupgrade", "0"}, {"nameserver", "9.9.9.9"}},
		},
		"no gateway": {
			labspec.Network{Address: pattern},
			0,
			[]Param{{"ciuser", "lab"}, {"ipconfig0", "ip=192.168.7.101/24"}, {"ciupgrade", "0"}},
		},
		"dhcp": {
			labspec.Network{},
			1,
			[]Param{{"ciuser", "lab"}, {"ipconfig0", "ip=dhcp"}, {"ciupgrade", "0"}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			lab := &labspec.Lab{User: "lab", Network: test.network}
			if diff := cmp.Diff(test.want, Cloud(lab, test.index)); diff != "" {
				t.Errorf("cloud-init keys (-want +got):\n%s", diff)
			}
		})
	}
}

func TestScripts(t *testing.T) {
	vm := labspec.VM{DataDisk: labspec.DataDisk{Mount: "/opt/data"}}
	tests := map[string]struct {
		script Script
		env    []string
	}{
		"prepare":    {Prepare(vm), []string{"LABCTL_SERIAL=labctl-data", "LABCTL_MOUNT=/opt/data"}},
		"facts":      {Facts(vm), []string{"LABCTL_MOUNT=/opt/data"}},
		"host facts": {HostFacts("/tank/labctl"), []string{"LABCTL_TARGET=host", "LABCTL_MOUNT=/tank/labctl"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.env, test.script.Env); diff != "" {
				t.Errorf("environment (-want +got):\n%s", diff)
			}
			if !strings.HasPrefix(test.script.Text, "#!/bin/sh\n") {
				t.Error("it is no shell script")
			}
		})
	}
}

// TestFactsOfThisMachine runs the script for real.
func TestFactsOfThisMachine(t *testing.T) {
	script := HostFacts(t.TempDir())
	command := exec.Command("sh", "-c", script.Text)
	command.Env = append(command.Environ(), script.Env...)
	output, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	facts, err := ParseFacts(output)
	if err != nil {
		t.Fatal(err)
	}
	if facts["kind"] != "host" || facts["boot_id"] == "" {
		t.Errorf("facts = %q", facts)
	}
}

func TestParseFacts(t *testing.T) {
	got, err := ParseFacts([]byte("kind=vm\nos=Ubuntu 22.04.5 LTS\n  cpu_model=A=B \n"))
	if diff := cmp.Diff(map[string]string{"kind": "vm", "os": "Ubuntu 22.04.5 LTS", "cpu_model": "A=B"}, got); diff != "" || err != nil {
		t.Errorf("error %v, facts (-want +got):\n%s", err, diff)
	}
	for text, want := range map[string]string{
		"":                       "the script printed nothing",
		"kind=vm\n\ncores=4\n":   "line 2 is not key=value",
		"Welcome to Ubuntu\n":    "line 1 is not key=value",
		"kind=\n":                "line 1 is not key=value",
		"Kind=vm\n":              "line 1 is not key=value",
		"cores=2\nos=x\ncores=4": "line 3 gives cores a second time",
	} {
		if got, err := ParseFacts([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseFacts(%q) = %v, %v, want error %q", text, got, err, want)
		}
	}
}

func FuzzParseFacts(f *testing.F) {
	f.Add([]byte("kind=vm\ncores=4\n"))
	f.Add([]byte("a==\x00\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		facts, err := ParseFacts(data)
		if (err == nil) != (len(facts) > 0) {
			t.Fatalf("%d facts with error %v", len(facts), err)
		}
		var text strings.Builder
		for key, value := range facts {
			text.WriteString(key + "=" + value + "\n")
		}
		if err != nil {
			return
		}
		if again, err := ParseFacts([]byte(text.String())); err != nil || !cmp.Equal(facts, again) {
			t.Fatalf("written and read again: %q, %v, want %q", again, err, facts)
		}
	})
}
