package pvesim

import (
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// replayTimings let nothing end before the recording says so.
func replayTimings() Timings {
	t := realLimits()
	t.Fork, t.CloneLinked, t.CopyPerGiB = 200*time.Millisecond, time.Second, 60*time.Second
	t.Allocate, t.Free, t.Resize = 100*time.Millisecond, 100*time.Millisecond, 100*time.Millisecond
	t.Start, t.Boot, t.Stop = 500*time.Millisecond, 40*time.Second, time.Second
	t.Shutdown, t.Destroy, t.Reap = 3*time.Second, 300*time.Millisecond, 0
	return t
}

// world builds what the file starts from: a fresh node, the setup of file 00, and what the recording's own description
// adds to it.
func (p *player) world() {
	p.foresee()
	if p.first > 0 && p.number > "00" {
		<-time.After(time.Until(time.Unix(int64(p.first)-60, 0)))
	}
	cluster, err := New(freshNode(int(p.version[0]-'0')), WithSeed(7))
	if err != nil {
		p.t.Fatal(err)
	}
	p.cluster, p.http = cluster, &http.Client{Transport: cluster.Transport()}
	p.mapped = map[string]string{}
	if p.number != "00" {
		p.before("00-setup", strings.NewReplacer())
		cluster.storages["small"].totalBytes = 1 << 30
	}
	switch {
	case slices.Contains([]string{"10", "11", "12", "13"}, p.number):
		p.emptyVM()
	case slices.Contains([]string{"21", "22", "23", "24"}, p.number) || p.number >= "30":
		p.template()
	}
	switch {
	case p.number == "least" || p.number == "agent": // made with another user's token for another pool, but the same rights
		p.before("30-lp-setup", strings.NewReplacer("lp@pve", "labctl@pve", "lp%40pve", "labctl%40pve", "labp", "labctl"))
	case p.number > "30":
		p.before("30-lp-setup", strings.NewReplacer())
		p.history()
	}
	p.peculiarities()
	cluster.storages["local"].addFile("snippets", "vendor.yaml", 74, time.Now())
	cluster.storages["local"].addFile("import", "debian12-cloud.qcow2", 400<<20, time.Now()).virtual = 2200 << 20
	<-time.After(20 * time.Second)
}

// freshNode is a node of the recording before anything was set up.
func freshNode(major int) Topology {
	return Topology{
		Major: major, Timings: replayTimings(),
		Nodes: []NodeSpec{{
			Name: "pve", Address: netip.MustParsePrefix("10.77.0.1/24"), Bridges: []string{"vmbr0"}, CPUs: 2, MemoryBytes: 24 << 30,
			TLSFingerprint: "00",
		}},
		Storages: []StorageSpec{{
			Name: "local", Type: "dir", Path: "/var/lib/vz", TotalBytes: 250 << 30,
			Content: []string{"iso", "vztmpl", "backup", "images", "rootdir", "snippets"},
		}},
		Users: []UserSpec{{ID: "root@pam", Password: "password-of-root"}, {ID: "rigpam@pam", Password: "password-of-rigpam"}},
	}
}

// peculiarities are leftovers of earlier recordings that show in a later one.
func (p *player) peculiarities() {
	c := p.cluster
	switch {
	case p.number == "20" && c.major == 8:
		for _, path := range []string{
			"/nodes/pve", "/sdn/zones", "/sdn/zones/localnetwork", "/sdn/zones/localnetwork/vmbr0", "/storage/local", "/storage/zfs",
		} {
			c.access.set(grant{path: path, who: "nobody@pve", role: "PVEAuditor"})
		}
	case p.number == "21" && c.major == 8:
		c.vms[9000].config["tags"] = "template"
	case p.number == "46":
		c.timings.Reap = 500 * time.Millisecond     // a killed clone was seen running once more
		c.timings.Allocate = 400 * time.Millisecond // the second clone waited for the first one's cloud-init drive
	case p.number == "22":
		_, secret, _ := strings.Cut(p.list[0].Request.Headers["Authorization"], "!pr=")
		c.access.users["probe@pve"] = &user{id: "probe@pve", enabled: true, tokens: map[string]*token{
			"pr": {name: "pr", secret: secret},
		}}
	}
}

// before plays another file, with other names, without judging it.
func (p *player) before(name string, renamed *strings.Replacer) {
	other := &player{
		made: map[int]bool{},
		t:    p.t, cluster: p.cluster, http: p.http, folder: p.folder, version: p.version, number: name[:2], mapped: p.mapped,
		list: readSeries(p.t, p.folder, "exchanges-"+p.version+"/"+name),
	}
	for _, e := range other.list {
		e.Request.Path = renamed.Replace(e.Request.Path)
		if e.Request.Body != nil {
			*e.Request.Body = renamed.Replace(*e.Request.Body)
		}
	}
	other.foresee()
	other.play()
}

// emptyVM is VM 100 as the files 10 to 13 expect it.
func (p *player) emptyVM() {
	p.cluster.lock()
	defer p.cluster.unlock()
	err := p.cluster.buildVM(VMSpec{VMID: 100, Name: "first", Running: true, Config: map[string]string{
		"memory": "256", "cores": "1", "scsihw": "virtio-scsi-single", "scsi0": "zfs:1", "net0": "virtio,bridge=vmbr0", "agent": "1",
		"ostype": "l26", "serial0": "socket", "boot": "order=scsi0;net0",
	}})
	if err != nil {
		p.t.Fatal(err)
	}
	disk, _ := p.cluster.volumeOn("", "zfs:vm-100-disk-0")
	disk.holdsSystem = false
	root := identity{user: "root@pam", token: "rig"}
	p.cluster.fork("pve", "qmcreate", "100", root)
	p.cluster.fork("pve", "qmstart", "100", root)
}

// history is what the recorded token had done before.
func (p *player) history() {
	if !slices.Contains([]string{"35", "36", "38"}, p.number) {
		return
	}
	p.cluster.lock()
	defer p.cluster.unlock()
	for _, who := range []identity{{user: "root@pam", token: "rig"}, {user: "lp@pve", token: "run"}} {
		for _, kind := range []string{"qmclone", "qmdestroy"} {
			p.cluster.fork("pve", kind, "9000", who)
		}
	}
}

// template is VM 9000 as the files from 21 on expect it.
func (p *player) template() {
	p.cluster.lock()
	defer p.cluster.unlock()
	err := p.cluster.buildTemplate(TemplateSpec{
		VMID: 9000, Name: "tmpl-debian12", Storage: "zfs", DiskMiB: 2200, Bridge: "vmbr0", DiskOpts: "discard=on,iothread=1,ssd=1",
		Config: map[string]string{"agent": "enabled=1", "memory": "1024"},
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

var ticketCookie = regexp.MustCompile(`PVE(:|%3A)([a-z]+(?:@|%40)[a-z]+)(:|%3A)[0-9A-F]{8}(::|%3A%3A)[^;\s]+`)

// credentials makes tickets good that were handed out before the file begins.
func (p *player) credentials(header string) string {
	m := ticketCookie.FindStringSubmatch(header)
	if m == nil || p.mapped[m[0]] != "" || strings.Contains(header, "AAAA") {
		return header
	}
	p.cluster.lock()
	defer p.cluster.unlock()
	ticket, csrf := p.cluster.newTicket(strings.ReplaceAll(m[2], "%40", "@"))
	p.mapped[m[0]] = url.QueryEscape(ticket)
	stamp := strings.Split(strings.ReplaceAll(m[0], "%3A", ":"), ":")[2]
	p.mapped[stamp+":CSRF"] = csrf
	return header
}

// outOfBand does what was done to the host beside the API, as far as the recording shows it.
// breakStorage makes zfs fail or dawdle as it did then.
// observed does again what an observation shows to have been done.
// sweep removes the volumes of VMs that are gone.
// erase removes a VM that was removed outside the recording.
// materialize makes or removes a VM that was made or removed outside the recording.
// makeVM makes a VM as the recording shows it later.
// relock sets or removes the lock that somebody set by hand.
// bootGuest lets the guest of a VM be up: polling was left out of the recording.
// regrant changes the grants as they were changed between the recorded requests.
// setRoles gives everything that file 30 gave, but one privilege.
// followUp does what comes between this exchange and the next.
// grant gives the probing user what it was refused, as the recording's table of privileges has it.
// unsaid are the privileges of a step that no recorded refusal names.
// needs looks up which privileges a step asked for.
// skip says why an exchange cannot be replayed, if it cannot.
// byChance reports whether a task lost a race for the storage lock: the kernel does not serve waiters in their order.
// hasUnknownTask reports whether the request is about a task whose start was not recorded with an answer.
// needsRealGuest reports whether an agent really did something in a guest.
// coreMethods are those that labctl uses.
