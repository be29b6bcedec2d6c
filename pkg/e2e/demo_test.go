//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// demoVM is a VM of the lab demo.
type demoVM struct {
	name    string
	vmid    int
	address netip.Addr
	mib     int
}

func demoVMs() []demoVM {
	return []demoVM{
		{"2gb", 9200, netip.MustParseAddr("192.168.7.201"), 2048},
		{"4gb", 9201, netip.MustParseAddr("192.168.7.202"), 4096},
		{"8gb", 9202, netip.MustParseAddr("192.168.7.203"), 8192},
	}
}

// TestDemo is the whole life of the lab that ships with labctl: three virtual machines, which are looked at from inside
// and from QEMU's side while they are measured.
func TestDemo(t *testing.T) {
	w := newWorld(t)
	command := w.command("run", "demo", "--output", "json")
	up := &watcher{}
	var stdout bytes.Buffer
	command.Stdout, command.Stderr = &stdout, up
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	w.until("the lab is up", 15*time.Minute, func() bool {
		select {
		case err := <-ended:
			t.Fatalf("labctl ended early: %v\n%s", err, up.text())
		default:
		}
		return strings.Contains(up.text(), "lab demo is up: 3 VMs")
	})
	w.lap("three virtual machines are up")
	for _, vm := range demoVMs() {
		w.lookInside(vm)
		w.lookAtQEMU(vm)
	}
	w.lap("looked at")
	w.trim(demoVMs()[2]) // the last one to be measured: fio's files would be in the way
	w.lap("trimmed")
	if err := <-ended; err != nil {
		t.Fatalf("labctl: %v\n%s", err, up.text())
	}
	w.lap("measured and removed")
	t.Log(up.text())
	if !strings.Contains(up.text(), "3 VMs removed") {
		t.Error("it does not say that the VMs were removed")
	}
	w.nothingLeft()
	w.checkResults(stdout.Bytes())
	if result := w.must("down", "demo"); !strings.Contains(result.stderr, "lab demo is not up: nothing to remove") {
		t.Error("down afterwards found something")
	}
}

// watcher keeps what a process says, for somebody who looks meanwhile.
type watcher struct {
	mu  sync.Mutex
	all bytes.Buffer
}

// Write implements io.Writer.
func (w *watcher) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all.Write(p)
}

func (w *watcher) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all.String()
}

// lookInside compares a guest, as it sees itself, with what the lab asks for.
func (w *world) lookInside(vm demoVM) {
	w.Helper()
	host := w.login("demo", vm.vmid, vm.address)
	said := w.in(host, `
disk=$(readlink -f /dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_labctl-data); name=$(basename "$disk")
echo mib=$(($(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo) / 1024))
echo cpus=$(nproc)
echo rotational=$(cat /sys/block/$name/queue/rotational)
echo discard=$(cat /sys/block/$name/queue/discard_max_bytes)
echo bytes=$(($(cat /sys/block/$name/size) * 512))
echo mounted=$(findmnt -no SOURCE,FSTYPE /opt/data | tr -s ' ')
echo disk=$disk
echo virt=$(systemd-detect-virt)
echo hostname=$(hostname)
echo fio=$(fio --version)
`)
	facts := map[string]string{}
	for line := range strings.Lines(said) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		facts[key] = value
	}
	// The kernel keeps some of the memory for itself: 6 % of 2 GiB, less of more.
	if mib, _ := strconv.Atoi(facts["mib"]); mib > vm.mib || mib < vm.mib*92/100 {
		w.Errorf("%s has %d MiB of memory, want about %d", vm.name, mib, vm.mib)
	}
	if discard, _ := strconv.Atoi(facts["discard"]); discard == 0 {
		w.Errorf("%s: the data disk takes no discards", vm.name)
	}
	for key, want := range map[string]string{
		"cpus": "4", "rotational": "0", "bytes": "1073741824", "hostname": "demo-" + vm.name, "mounted": facts["disk"] + " ext4",
	} {
		if facts[key] != want {
			w.Errorf("%s: %s is %q, want %q", vm.name, key, facts[key], want)
		}
	}
	if virt := facts["virt"]; virt != "qemu" && virt != "kvm" {
		w.Errorf("%s runs on %q", vm.name, virt)
	}
	if !strings.HasPrefix(facts["fio"], "fio-") {
		w.Errorf("%s has no fio", vm.name)
	}
	w.Logf("%s: %v", vm.name, facts)
}

// lookAtQEMU compares a VM with what QEMU itself says of it.
func (w *world) lookAtQEMU(vm demoVM) {
	w.Helper()
	var blocks []struct {
		Device   string `json:"device"`
		Inserted struct {
			Cache struct {
				Direct    bool `json:"direct"`
				Writeback bool `json:"writeback"`
				NoFlush   bool `json:"no-flush"`
			} `json:"cache"`
			Image struct {
				Format   string `json:"format"`
				Filename string `json:"filename"`
			} `json:"image"`
			Zeroes string `json:"detect_zeroes"`
		} `json:"inserted"`
	}
	w.qmp(vm.vmid, "query-block", &blocks)
	var data, system bool
	for _, block := range blocks {
		cache := block.Inserted.Cache
		switch block.Device {
		case "drive-scsi1":
			data = cache.Direct && cache.Writeback && !cache.NoFlush && block.Inserted.Image.Format == "raw" && block.Inserted.Zeroes == "unmap"
		case "drive-scsi0":
			system = block.Inserted.Image.Format == "qcow2"
		}
	}
	if !data || !system {
		w.Errorf("%s: the disks are not as asked for: %+v", vm.name, blocks)
	}
	var threads []struct {
		ID string `json:"id"`
	}
	w.qmp(vm.vmid, "query-iothreads", &threads)
	if !slices.ContainsFunc(threads, func(t struct {
		ID string `json:"id"`
	},
	) bool {
		return t.ID == "iothread-virtioscsi1"
	}) {
		w.Errorf("%s: no I/O thread for the data disk: %+v", vm.name, threads)
	}
	line := w.commandLine(vm)
	for _, want := range []string{
		"cache=none", "serial=labctl-data", "lun=1,drive=drive-scsi1,id=scsi1,rotation_rate=1", "discard=on,detect-zeroes=unmap",
		"virtio-scsi-pci,id=virtioscsi1,bus=pci.3,addr=0x2,iothread=iothread-virtioscsi1", fmt.Sprintf("-m %d ", vm.mib),
	} {
		if !strings.Contains(line, want) {
			w.Errorf("%s: %q is not on the command line %s", vm.name, want, line)
		}
	}
}

func (w *world) commandLine(vm demoVM) string {
	w.Helper()
	for _, pid := range w.qemus() {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if text := strings.ReplaceAll(string(line), "\x00", " "); err == nil && strings.Contains(text, "-name demo-"+vm.name+",") {
			return text
		}
	}
	w.Errorf("no QEMU for %s", vm.name)
	return ""
}

// trim shows that what the guest frees is freed on this machine: the data disk is a sparse file.
func (w *world) trim(vm demoVM) {
	w.Helper()
	const mib, noise = 192, 96 // fio writes at most 80 MiB meanwhile
	host := w.login("demo", vm.vmid, vm.address)
	before := w.allocated(vm)
	w.in(host, fmt.Sprintf("yes ballast | head -c %dM >/opt/data/ballast; sync", mib))
	full := w.allocated(vm)
	if full-before < mib<<20*9/10 {
		w.Errorf("%s: %d MiB written, and the file has only %d MiB more blocks", vm.name, mib, (full-before)>>20)
	}
	said := w.in(host, "rm /opt/data/ballast; sync; sudo -n fstrim -v /opt/data")
	w.until("the file gives blocks back", time.Minute, func() bool { return full-w.allocated(vm) >= (mib-noise)<<20 })
	w.Logf("%s: file of the data disk: %d MiB, with ballast %d MiB, trimmed %d MiB (%s)", vm.name, before>>20, full>>20, w.allocated(vm)>>20, said)
}

// allocated is how many bytes the file of a VM's data disk occupies.
func (w *world) allocated(vm demoVM) int64 {
	w.Helper()
	files, err := filepath.Glob(filepath.Join(w.sandboxDir(), "machines", fmt.Sprintf("vm-%d", vm.vmid), "zfs:vm-*"))
	if err != nil || len(files) != 1 {
		w.Fatalf("data disks: %v, %v", files, err)
	}
	return blockBytes(w, files[0])
}

// checkResults looks at what `run` printed.
func (w *world) checkResults(document []byte) {
	w.Helper()
	var report struct {
		Run struct {
			ID      string `json:"id"`
			Sandbox string `json:"sandbox"`
		} `json:"run"`
	}
	if err := json.Unmarshal(document, &report); err != nil {
		w.Fatalf("%v\n%s", err, document)
	}
	stored, err := filepath.Glob(filepath.Join(w.results, "*", "run.json"))
	if err != nil || len(stored) != 1 {
		w.Fatalf("stored runs: %v, %v", stored, err)
	}
	text, err := os.ReadFile(stored[0])
	if err != nil {
		w.Fatal(err)
	}
	var run struct {
		Targets []struct {
			Name  string            `json:"name"`
			Kind  string            `json:"kind"`
			Facts map[string]string `json:"facts"`
		} `json:"targets"`
	}
	if err := json.Unmarshal(text, &run); err != nil {
		w.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(stored[0]), "finished.json")); err != nil || len(run.Targets) != 4 {
		w.Fatalf("%d targets, %v", len(run.Targets), err)
	}
	for _, target := range run.Targets[1:] {
		for _, fact := range []string{"step_clone_seconds", "step_start_seconds", "step_ready_seconds", "fio_version"} {
			if target.Facts[fact] == "" {
				w.Errorf("%s does not tell its %s", target.Name, fact)
			}
		}
		if target.Kind != "vm" {
			w.Errorf("%s is a %s", target.Name, target.Kind)
		}
		w.Logf("%s: clone %s s, start %s s, ready %s s", target.Name, target.Facts["step_clone_seconds"], target.Facts["step_start_seconds"], target.Facts["step_ready_seconds"])
	}
	trials, err := filepath.Glob(filepath.Join(w.results, "*", "trials", "*.json"))
	if err != nil || len(trials) != 12 {
		w.Errorf("%d trials are stored, want 12 (%v)", len(trials), err)
	}
}
