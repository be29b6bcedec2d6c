package labrun_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"labctl/pkg/lab/doctor"
	"labctl/pkg/pvesim"
)

// inTemplate changes keys of the template.
func inTemplate(keys ...string) func(*pvesim.Topology) {
	return func(topology *pvesim.Topology) {
		config := map[string]string{}
		for i := 0; i < len(keys); i += 2 {
			config[keys[i]] = keys[i+1]
		}
		topology.Templates[0].Config = config
	}
}

// templateOnDirectory moves the template's disk to a directory, where it is a raw file.
func templateOnDirectory(topology *pvesim.Topology) {
	topology.Storages[0].Content = append(topology.Storages[0].Content, "images")
	topology.Templates[0].Storage = topology.Storages[0].Name
	for _, who := range []string{"labctl@pve", pvesim.SandboxTokenID} {
		topology.Grants = append(topology.Grants, pvesim.GrantSpec{Path: "/storage/local", Who: who, Role: "LabctlStore", Propagate: true})
	}
}

// TestUpRefusesWhatDoctorCallsAnError: both read one list. What doctor calls an error up refuses, all of it at once and in
// the same words, before it sends anything that changes the server; and what doctor does not call an error comes up.
func TestUpRefusesWhatDoctorCallsAnError(t *testing.T) {
	for name, test := range map[string]struct {
		adjust func(*pvesim.Topology)
		errors int
	}{
		"nothing":                 {func(*pvesim.Topology) {}, 0},
		"too old":                 {func(w *pvesim.Topology) { w.Version = "7.4-19" }, 1},
		"locked template":         {inTemplate("lock", "backup"), 1},
		"no cloud-init drive":     {inTemplate("ide2", ""), 1},
		"drive on scsi1":          {inTemplate("scsi1", "zfs:base-9000-disk-1,size=1G"), 1},
		"only root may clear":     {inTemplate("args", "-no-reboot", "hookscript", "local:snippets/x", "affinity", "0-1"), 3},
		"device of the node":      {inTemplate("hostpci0", "01:00"), 1},
		"no base volume":          {inTemplate("scsi0", "zfs:vm-9000-disk-0,size=2252M"), 1},
		"bridge is elsewhere":     {func(w *pvesim.Topology) { w.Nodes[0].Bridges = []string{"vmbr7"} }, 1},
		"storage is silent":       {func(w *pvesim.Topology) { w.Storages[1].Inactive = true }, 1},
		"raw base on a directory": {templateOnDirectory, 0},
		"two things":              {func(w *pvesim.Topology) { inTemplate("lock", "backup", "ide2", "")(w) }, 2},
		"warnings and notes":      {inTemplate("sockets", "2", "vcpus", "1", "numa", "1", "cpulimit", "0.5", "nameserver", "9.9.9.9", "protection", "1", "kvm", "0", "unused0", "zfs:base-9000-disk-7"), 0},
	} {
		t.Run(name, func(t *testing.T) {
			tell(t, 1, test.adjust, func(s story) {
				p := s.process(0, never)
				report, err := doctor.Examine(s.Context(), doctor.Input{Lab: s.spec.Lab, API: p.client, URL: p.server.URL, TokenID: p.server.TokenID})
				if err != nil {
					s.Fatal(err)
				}
				found := report.Of(doctor.Error)
				if len(found) != test.errors {
					s.Fatalf("doctor has the errors %+v, want %d", found, test.errors)
				}
				before := len(s.cluster.Requests())
				err = p.up(s.Context(), s.spec)
				if test.errors == 0 {
					if err != nil {
						s.Errorf("up: %v", err)
					}
					s.mustDown()
					return
				}
				if refused := (*doctor.RefusedError)(nil); !errors.As(err, &refused) {
					s.Fatalf("up: %v", err)
				}
				for _, finding := range found {
					if !strings.Contains(err.Error(), finding.Text()) {
						s.Errorf("up does not say %s", finding.Text())
					}
				}
				for _, request := range s.cluster.Requests()[before:] {
					if request.Method != http.MethodGet {
						s.Errorf("up sent %s %s", request.Method, request.Path)
					}
				}
			})
		})
	}
}

// TestACloneGetsPVEsDefaults: what the template has of CPU limits and the like is not in the VMs that are measured.
func TestACloneGetsPVEsDefaults(t *testing.T) {
	adjust := inTemplate("sockets", "2", "vcpus", "1", "numa", "1", "numa0", "cpus=0,memory=512", "cpulimit", "0.5", "cpuunits", "200", "hotplug", "cpu,disk",
		"net0", "virtio=BC:24:11:AA:BB:CC,bridge=vmbr0,link_down=1,mtu=1400", "cpu", "kvm64", "nameserver", "9.9.9.9")
	tell(t, 1, adjust, func(s story) {
		s.mustUp()
		state, err := s.process(0, never).Store.State("lab")
		for key, want := range map[string]string{"pve_cpu": "kvm64", "pve_net0_mtu": "1400", "pve_nameserver": "9.9.9.9", "pve_cpulimit": ""} {
			if err != nil || state.Fact("vm0", key) != want {
				s.Errorf("the fact %s is %q, want %q (%v)", key, state.Fact("vm0", key), want, err)
			}
		}
		vm, _ := s.cluster.VM(9100)
		for _, key := range []string{"sockets", "vcpus", "numa", "numa0", "cpulimit", "cpuunits", "hotplug"} {
			if value, there := vm.Config[key]; there {
				s.Errorf("the VM has %s=%s", key, value)
			}
		}
		if net0 := vm.Config["net0"]; strings.Contains(net0, "link_down") || !strings.Contains(net0, "mtu=1400") {
			s.Errorf("net0 is %s", net0)
		}
		s.mustDown()
	})
}

// TestUpTakesOtherVMIDs: under a VMID where somebody's disks lie no VM is made, when the token sees them.
func TestUpTakesOtherVMIDs(t *testing.T) {
	orphans := withOrphans("vm-9100-disk-0", "vm-9101-disk-0")
	tell(t, 1, func(w *pvesim.Topology) {
		orphans(w)
		for _, who := range []string{"labctl@pve", pvesim.SandboxTokenID} {
			w.Grants = append(w.Grants, pvesim.GrantSpec{Path: "/", Who: who, Role: "Administrator", Propagate: true})
		}
	}, func(s story) {
		s.mustUp()
		if vm, made := s.cluster.VM(9102); !made || vm.Config["name"] != "lab-vm0" {
			s.Errorf("VM 9102 is %+v", vm)
		}
		s.mustDown()
	})
}
