package pvesim

import (
	"fmt"
	"strings"
)

// vmStatus is a VM in GET /qemu and status/current. Pointers are fields that are absent at times.
type vmStatus struct {
	VMID       int              `json:"vmid"`
	Name       string           `json:"name"`
	Status     string           `json:"status"`
	CPUs       int              `json:"cpus"`
	CPU        float64          `json:"cpu"`
	Mem        int64            `json:"mem"`
	MemHost    *int64           `json:"memhost,omitempty"`
	MaxMem     int64            `json:"maxmem"`
	Disk       int64            `json:"disk"`
	MaxDisk    int64            `json:"maxdisk"`
	NetIn      int64            `json:"netin"`
	NetOut     int64            `json:"netout"`
	Uptime     int64            `json:"uptime"`
	PID        int              `json:"pid,omitempty"`
	Tags       string           `json:"tags,omitempty"`
	Template   int              `json:"template,omitempty"`
	Lock       string           `json:"lock,omitempty"`
	Serial     int              `json:"serial,omitempty"`
	QMPStatus  string           `json:"qmpstatus,omitempty"`
	NICs       map[string]nicIO `json:"nics,omitempty"`
	BalloonMin int64            `json:"balloon_min,omitempty"`
	Shares     int64            `json:"shares,omitempty"`
	*pressure
}

// pressure is what 9 tells of a running VM: the shares of time in which it had to wait.
type pressure struct {
	CPUFull    float64 `json:"pressurecpufull"`
	CPUSome    float64 `json:"pressurecpusome"`
	IOFull     float64 `json:"pressureiofull"`
	IOSome     float64 `json:"pressureiosome"`
	MemoryFull float64 `json:"pressurememoryfull"`
	MemorySome float64 `json:"pressurememorysome"`
}

type nicIO struct {
	NetIn  int64 `json:"netin"`
	NetOut int64 `json:"netout"`
}

// currentStatus is status/current, which knows a little more.
type currentStatus struct {
	vmStatus
	HA    haStatus `json:"ha"`
	Agent int      `json:"agent,omitempty"`
}

// displayStatus is currentStatus of a VM whose configuration has a display.
type displayStatus struct {
	currentStatus
	Clipboard *string `json:"clipboard"`
}

type haStatus struct {
	Managed int `json:"managed"`
}

// statusOf describes a VM now.
func (c *Cluster) statusOf(v *vm, full bool) vmStatus {
	s := vmStatus{
		VMID: v.id, Name: v.name(), Status: "stopped", CPUs: v.cpus(), MaxMem: v.memory(), Tags: v.config["tags"],
		Lock: v.config["lock"], Template: int(v.number("template", 0)),
	}
	if d, ok := v.bootDisk(); ok {
		s.MaxDisk = d.size()
	}
	for key := range v.config {
		if strings.HasPrefix(key, "serial") {
			s.Serial = 1
		}
	}
	if balloon := v.number("balloon", 0); balloon > 0 {
		s.BalloonMin, s.Shares = balloon<<20, v.number("shares", 1000)
	}
	if c.major >= 9 {
		s.MemHost = new(int64)
	}
	if full {
		s.QMPStatus = "stopped"
	}
	if v.running() {
		c.addProcess(&s, v, full)
	}
	return s
}

func (c *Cluster) addProcess(s *vmStatus, v *vm, full bool) {
	s.Status, s.PID = "running", v.process.pid
	s.Uptime = int64(c.clock.Sub(v.process.started).Seconds())
	s.Mem = s.MaxMem / 4
	s.NetIn, s.NetOut = 110+s.Uptime*40, s.Uptime*30
	if c.major >= 9 {
		s.pressure = &pressure{}
	}
	if !full {
		return
	}
	s.QMPStatus = "running"
	if v.process.paused {
		s.QMPStatus = "paused"
	}
	s.NICs = map[string]nicIO{}
	for key := range v.config {
		if isNetKey(key) {
			tap := fmt.Sprintf("tap%di%s", v.id, strings.TrimPrefix(key, "net"))
			s.NICs[tap] = nicIO{NetIn: s.NetIn, NetOut: s.NetOut}
		}
	}
}

func (k *call) canSee(v *vm) bool { return k.holds(v.path(), "VM.Audit") }

// listVMs is GET /nodes/{node}/qemu.
func listVMs(k *call) (any, error) {
	list := []vmStatus{}
	for _, v := range k.sortedVMs() {
		if v.node == k.node() && k.canSee(v) {
			list = append(list, k.statusOf(v, k.params.flag("full")))
		}
	}
	return list, nil
}

// getStatus is GET .../status/current.
func getStatus(k *call) (any, error) {
	v, err := k.vm()
	if err != nil {
		return nil, err
	}
	s := currentStatus{vmStatus: k.statusOf(v, true), HA: haStatus{Managed: bit(v.byHA)}}
	if v.agentEnabled() {
		s.Agent = 1
	}
	if _, ok := v.config["vga"]; ok {
		return displayStatus{currentStatus: s}, nil
	}
	return s, nil
}

// agentEnabled reports whether the configuration has the guest agent switched on.
func (v *vm) agentEnabled() bool {
	first, _, _ := strings.Cut(v.config["agent"], ",")
	return foldBoolean(strings.TrimPrefix(first, "enabled=")) == "1"
}
