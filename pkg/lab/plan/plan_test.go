package plan

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	labspecs "labctl/lab-specs"
	"labctl/pkg/lab/inventory"
	"labctl/pkg/labspec"
	"labctl/pkg/pve"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func blogLab(t *testing.T) *labspec.Lab {
	t.Helper()
	text, err := labspecs.FS.ReadFile("blog.yaml")
	if err != nil {
		t.Fatal(err)
	}
	lab, err := labspec.Parse("blog.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	return lab
}

func template(extra map[string]string) map[string]inventory.Template {
	raw := map[string]string{
		"boot": "order=scsi0", "scsihw": "virtio-scsi-single", "net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0",
		"scsi0": "zfs:base-9000-disk-0,discard=on,iothread=1,size=2252M,ssd=1", "ide2": "zfs:vm-9000-cloudinit,media=cdrom,size=4M",
	}
	for key, value := range extra {
		raw[key] = value
	}
	return map[string]inventory.Template{"pve": {Ref: pve.VMRef{Node: "pve", ID: 9000}, Config: pve.VMConfig{Raw: raw}}}
}

// asAsked is the configuration of a VM after `up`, as PVE prints it.
func asAsked(lab *labspec.Lab, vm labspec.VM) map[string]string {
	raw := map[string]string{
		"boot": "order=scsi0", "scsi0": "zfs:base-9000-disk-0/vm-9100-disk-0,discard=on,iothread=1,size=32G,ssd=1",
		"scsi1": "zfs:vm-9100-disk-1,cache=none,discard=on,iothread=1,serial=labctl-data,size=64G,ssd=1",
	}
	for _, setting := range hardware(lab, vm, template(nil)["pve"].Config) {
		raw[setting.Key] = setting.Value
	}
	raw["scsihw"], raw["net0"] = "virtio-scsi-single", "virtio=BC:24:11:00:00:07,bridge=vmbr0"
	return raw
}

func observed(vm labspec.VM, raw map[string]string, running bool) inventory.Observed {
	return inventory.Observed{VMs: []inventory.VM{{
		Ref: pve.VMRef{Node: "pve", ID: 9100}, Mark: inventory.Mark{Lab: "blog", Run: "r", VM: vm.Name},
		Config: pve.VMConfig{Raw: raw}, Running: running,
	}}}
}

func always(ready bool) func(string) bool { return func(string) bool { return ready } }

func TestUpFromNothing(t *testing.T) {
	lab := blogLab(t)
	plan, err := Up(Wanted{Lab: lab, Templates: template(nil), VMIDs: []int{9100, 9101, 9102}, IsReady: always(false)})
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.MarshalIndent(plan, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "up-blog.json")
	if *update {
		if err := os.WriteFile(golden, append(got, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)+"\n"); diff != "" {
		t.Errorf("plan (-want +got)\n%s", diff)
	}
	if plan.Changes() != 12 {
		t.Errorf("%d changes, want 12: clone, configure, resize, start for each VM", plan.Changes())
	}
}

func stepNames(plan Plan) string {
	var names []string
	for _, step := range plan.Sequences[0].Steps {
		names = append(names, step.Name())
	}
	return strings.Join(names, " ")
}

func TestUpDoesWhatIsLeft(t *testing.T) {
	lab := blogLab(t)
	lab.VMs = lab.VMs[:1]
	vm := lab.VMs[0]
	change := func(key, value string) map[string]string {
		raw := asAsked(lab, vm)
		raw[key] = value
		return raw
	}
	for _, test := range []struct {
		name    string
		raw     map[string]string
		running bool
		ready   bool
		want    string
	}{
		{"up and ready", asAsked(lab, vm), true, true, ""},
		{"up, readiness unknown", asAsked(lab, vm), true, false, "ready"},
		{"stopped", asAsked(lab, vm), false, true, "start ready"},
		{"cloned only", map[string]string{"boot": "order=scsi0", "scsi0": "zfs:vm-1-disk-0,size=2252M"}, false, false, "configure resize start ready"},
		{"stopped, other cores", change("cores", "2"), false, false, "configure start ready"},
		{"stopped, ssd lost", change("scsi1", "zfs:vm-9100-disk-1,cache=none,discard=on,iothread=1,serial=labctl-data,size=64G"), false, false, "configure start ready"},
	} {
		plan, err := Up(Wanted{
			Lab: lab, Templates: template(nil), Observed: observed(vm, test.raw, test.running),
			IsReady: always(test.ready),
		})
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if got := stepNames(plan); got != test.want {
			t.Errorf("%s: steps %q, want %q", test.name, got, test.want)
		}
	}
}

func TestReconfigureNeverAllocatesAgain(t *testing.T) {
	lab := blogLab(t)
	vm := lab.VMs[0]
	raw := asAsked(lab, vm)
	raw["scsi1"] = "zfs:vm-9100-disk-7,size=64G"
	step := reconfigure(Wanted{Lab: lab}, vm, pve.VMConfig{Raw: raw})
	want := "scsi1=zfs:vm-9100-disk-7,cache=none,discard=on,iothread=1,ssd=1,serial=labctl-data"
	if !strings.HasSuffix(step.Detail(), want) {
		t.Errorf("settings %s, want the disk that is there: %s", step.Detail(), want)
	}
}

func TestRunningVMWithAnotherConfigurationIsDrift(t *testing.T) {
	lab := blogLab(t)
	lab.VMs[0].DataDisk.Discard = false
	vm := lab.VMs[0]
	for _, test := range []struct{ key, value, want string }{
		{"scsi1", "zfs:vm-9100-disk-1,cache=none,discard=on,iothread=1,serial=labctl-data,size=64G,ssd=1", "scsi1 discard is on, wanted ignore"},
		{"scsi1", "other:vm-9100-disk-1,cache=none,iothread=1,serial=labctl-data,size=64G,ssd=1", "scsi1 storage is other, wanted zfs"},
		{"scsi1", "zfs:vm-9100-disk-1,aio=threads,cache=none,iothread=1,serial=labctl-data,size=64G,ssd=1", "scsi1 aio is threads, wanted default"},
		{"scsi1", "zfs:vm-9100-disk-1,cache=none,discard=on,iothread=1,serial=labctl-data,size=64G", "scsi1 ssd is unset, wanted 1"},
		{"scsi1", "zfs:vm-9100-disk-1,cache=writeback,discard=on,iothread=1,serial=labctl-data,size=64G,ssd=1", "scsi1 cache is writeback, wanted none"},
		{"scsi1", "zfs:vm-9100-disk-1,cache=none,discard=on,iothread=1,serial=labctl-data,size=32G,ssd=1", "scsi1 size is 32GiB, wanted 64GiB"},
		{"scsi0", "zfs:base-9000-disk-0/vm-9100-disk-0,discard=on,iothread=1,size=2252M,ssd=1", "scsi0 size is 2252MiB, wanted 32GiB"},
		{"scsi0", "zfs:base-9000-disk-0/vm-9100-disk-0,discard=on,iothread=1,size=40G,ssd=1", "scsi0 size is 40GiB, wanted 32GiB"},
		{"memory", "512", "memory is 512, wanted 2048"},
		{"scsihw", "lsi", "scsihw is lsi, wanted virtio-scsi-single"},
	} {
		raw := asAsked(lab, vm)
		raw[test.key] = test.value
		_, err := Up(Wanted{Lab: lab, Templates: template(nil), Observed: observed(vm, raw, true), VMIDs: []int{1, 2}, IsReady: always(true)})
		var drift *DriftError
		if !errors.As(err, &drift) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s=%s: error %v, want %q", test.key, test.value, err, test.want)
		}
	}
}

func TestTemplateSurprises(t *testing.T) {
	lab := blogLab(t)
	lab.VMs = lab.VMs[:1]
	for _, test := range []struct {
		name  string
		extra map[string]string
		want  string // in the settings, or in the error
	}{
		{"other controller", map[string]string{"scsihw": "lsi"}, "scsihw=virtio-scsi-single"},
		{"protected", map[string]string{"protection": "1"}, "protection=0"},
		{"other bridge", map[string]string{"net0": "virtio=BC:24:11:00:00:01,bridge=vmbr9"}, "net0=virtio,bridge=vmbr0"},
		{"no disk", map[string]string{"scsi0": ""}, "no disk to boot from"},
		{"disk too large", map[string]string{"scsi0": "zfs:base-9000-disk-0,size=100G"}, "cannot shrink"},
	} {
		plan, err := Up(Wanted{Lab: lab, Templates: template(test.extra), VMIDs: []int{9100}, IsReady: always(false)})
		text := ""
		if err != nil {
			text = err.Error()
		} else {
			text = plan.Sequences[0].Steps[1].Detail()
		}
		if !strings.Contains(text, test.want) {
			t.Errorf("%s: %s, want %q", test.name, text, test.want)
		}
	}
}

func TestVMThatLeftTheSpecIsNotForgotten(t *testing.T) {
	lab := blogLab(t)
	seen := observed(lab.VMs[0], asAsked(lab, lab.VMs[0]), true)
	lab.VMs = lab.VMs[1:]
	_, err := Up(Wanted{Lab: lab, Templates: template(nil), Observed: seen, VMIDs: []int{9101, 9102}, IsReady: always(true)})
	if err == nil || !strings.Contains(err.Error(), "VM 2gb (9100) belongs to lab blog") {
		t.Errorf("error %v", err)
	}
}
