package pvesim

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

var (
	notDestroyed = regexp.MustCompile(`(?:Could not remove disk '[^:']+:(?:[^/']+/)?([^']+)', check manually: )?zfs error: cannot destroy(?: '?[^/']+/([^':]+)'?)?: (dataset is busy|permission denied)`)
	notCreated   = regexp.MustCompile(`zfs error: cannot create '?[^/']+/([^':]+)'?: out of space`)
	slowCreate   = regexp.MustCompile(`command 'zfs create [^']*' failed: got timeout`)
	slowName     = regexp.MustCompile(`slow-?(\d+)`)
	madeByHand   = regexp.MustCompile(`successfully created '([^':]+):(?:\d+/)?(vm-(\d+)-disk-\d+)`)
)

// outOfBand does what was done to the host beside the API, as far as the recording shows it.
func (p *player) outOfBand(i int) {
	e := &p.list[i]
	p.cluster.enter()
	defer p.cluster.unlock()
	if e.Observation != nil {
		p.observed(e)
		return
	}
	if e.Request == nil || e.Response == nil {
		return
	}
	if p.number == "23" && strings.HasPrefix(e.Name, "hang.") {
		p.cluster.faults = []*armed{
			{Fault: Fault{Volume: &VolumeMatch{Operation: "list"}, Times: -1, Do: Action{Delay: time.Minute}}},
			{Fault: Fault{Volume: &VolumeMatch{Operation: "status", Storage: "zfs"}, Times: -1, Do: Action{Delay: time.Minute}}},
		}
	}
	if e.Name == "flock.put-config" && p.number == "12" {
		p.cluster.begin(nil, locked(vmLockFile(100), time.Second, sleepFor(75*time.Second)))
	}
	p.regrant(i)
	if e.Request.Method != http.MethodGet || daemonAway(e) {
		p.cluster.faults = slices.Concat(p.standing, p.once)
		p.once = nil
		p.breakDaemon(e)
		text := string(e.Response.JSON)
		p.breakStorage(e, text+p.outcome[upidText.FindString(text)])
	}
	p.materialize(i)
	if e.Response.Status != nil && p.number >= "39" {
		p.relock(e)
	}
	if e.Response.Status != nil && *e.Response.Status == http.StatusOK && strings.Contains(p.short(e), "/agent/") {
		p.bootGuest(vmidOf(p.short(e)))
	}
}

// breakStorage makes zfs fail or dawdle as it did then.
func (p *player) breakStorage(e *exchange, text string) {
	c := p.cluster
	fault := func(operation, name string, do Action) {
		c.faults = append(c.faults, &armed{Fault: Fault{Volume: &VolumeMatch{Operation: operation, Name: name}, Times: -1, Do: do}})
	}
	for _, m := range notDestroyed.FindAllStringSubmatch(text, -1) {
		do := Action{Fail: m[3]}
		if m[3] == "dataset is busy" {
			do = Action{Busy: true}
		}
		if name := cmp.Or(m[1], m[2]); name != "" {
			fault("destroy", name, do)
		}
	}
	for _, m := range notCreated.FindAllStringSubmatch(text, -1) {
		fault("create", m[1], Action{Full: true})
	}
	delay := 0.0
	if m := slowName.FindStringSubmatch(e.Name); m != nil && p.number != "46" {
		delay, _ = strconv.ParseFloat(m[1], 64)
	}
	switch {
	case p.number == "46": // says by itself what was slow
	case slowCreate.MatchString(text), strings.HasPrefix(e.Name, "slow."):
		delay = 15
	case p.number == "25" && strings.Contains(e.Name, "slow"):
		delay = 9
	case e.Name == "two.first" || e.Name == "start-during.post":
		delay = 8
	}
	if delay > 0 {
		fault("create", "", Action{Delay: time.Duration(delay * float64(time.Second))})
	}
}

// observed does again what an observation shows to have been done.
func (p *player) observed(e *exchange) {
	c, text := p.cluster, string(e.Observation)
	fields := strings.Fields(e.Name)
	id := 0
	if len(fields) > 2 {
		id, _ = strconv.Atoi(fields[2])
	}
	p.slowDown(e.Name)
	switch {
	case strings.HasPrefix(e.Name, "kill."):
		for _, t := range c.tasks {
			if t.running() && t.kind == "qmclone" {
				t.worker.kill()
			}
		}
	case strings.HasPrefix(e.Name, "qm unlock") && c.vms[id] != nil:
		delete(c.vms[id].config, "lock")
	case strings.HasPrefix(e.Name, "qm destroy") && strings.Contains(text, `"rc": 0`) && c.vms[id] != nil:
		p.erase(id, strings.Contains(e.Name, "unreferenced"))
	case strings.HasSuffix(e.Name, "after-shell-cleanup"):
		p.sweep()
	case strings.HasPrefix(e.Name, "token.created"):
		p.addToken(text)
	}
	for _, m := range madeByHand.FindAllStringSubmatch(text, -1) {
		vmid, _ := strconv.Atoi(m[3])
		if s := c.storages[m[1]]; s != nil {
			_, _ = s.add(m[2], vmid, 64<<20, c.clock)
		}
	}
}

// sweep removes the volumes of VMs that are gone.
func (p *player) sweep() {
	for _, s := range p.cluster.storages {
		for name, v := range s.volumes {
			if v.content == "images" && p.cluster.vms[v.vmid] == nil {
				delete(s.volumes, name)
			}
		}
	}
}

// addToken adds a token that was made outside the recording, with the grants of the recorded one.
func (p *player) addToken(text string) {
	var made newToken
	if json.Unmarshal([]byte(text), &made) != nil {
		return
	}
	name, id, _ := strings.Cut(made.FullID, "!")
	p.cluster.access.users[name].tokens[id] = &token{name: id, secret: made.Value, privsep: true, comment: made.Info.Comment, expires: 1}
	for _, g := range slices.Clone(p.cluster.access.acl) {
		if g.who == name+"!run" {
			g.who = made.FullID
			p.cluster.access.set(g)
		}
	}
}

// erase removes a VM that was removed outside the recording.
func (p *player) erase(id int, orphansToo bool) {
	c := p.cluster
	v := c.vms[id]
	if v == nil {
		return
	}
	for _, disk := range c.volumesOf("", id) {
		if orphansToo || strings.Contains(fmt.Sprint(v.config), disk.id()) {
			delete(disk.storage.volumes, disk.name)
		}
	}
	delete(c.vms, id)
	for _, pool := range c.pools {
		pool.remove(id)
	}
}

var vmidInPath = regexp.MustCompile(`/qemu/(\d+)`)

// vmidOf returns the VM of a path, or 0.
func vmidOf(path string) int {
	m := vmidInPath.FindStringSubmatch(path)
	if m == nil {
		return 0
	}
	id, _ := strconv.Atoi(m[1])
	return id
}

// materialize makes or removes a VM that was made or removed outside the recording.
func (p *player) materialize(i int) {
	e := &p.list[i]
	if e.Response.Status == nil {
		return
	}
	path := p.short(e)
	succeeded := *e.Response.Status == http.StatusOK
	if e.Request.Method == http.MethodPost && succeeded && (strings.HasSuffix(path, "/clone") || strings.HasSuffix(path, "/qemu")) {
		for _, key := range []string{"newid", "vmid"} {
			if id, err := strconv.Atoi(fmt.Sprint(e.Request.Form[key])); err == nil {
				p.erase(id, true)
			}
		}
		return
	}
	wanted := p.existed(e)
	if wanted != 0 && p.cluster.vms[wanted] == nil && p.number >= "30" {
		p.makeVM(i, wanted)
		p.made[wanted] = true
	}
	if p.made[wanted] && strings.Contains(e.Request.Headers["Authorization"], "lp@pve") && succeeded {
		p.cluster.pools["labp"].add(wanted)
	}
}

var existing = regexp.MustCompile(`VM (\d+) already exists|unable to create VM (\d+): config file already exists`)

// existed is the VM that must have existed for the recorded answer to come, or 0.
func (p *player) existed(e *exchange) int {
	if m := existing.FindStringSubmatch(string(e.Response.JSON)); m != nil {
		id, _ := strconv.Atoi(m[1] + m[2])
		return id
	}
	if *e.Response.Status != http.StatusOK {
		return 0
	}
	path, task := p.short(e), upidText.FindString(string(e.Response.JSON))
	end := p.outcome[task]
	worked := e.Request.Method != http.MethodGet && task != "" && !strings.Contains(end, "does not exist") && !strings.Contains(end, "unable to find")
	if worked || strings.HasSuffix(path, "/config") {
		return vmidOf(path)
	}
	return 0
}

// makeVM makes a VM as the recording shows it later.
func (p *player) makeVM(i, id int) {
	c := p.cluster
	v := c.newVM(id, "pve")
	v.config = map[string]string{"meta": c.meta(), "smbios1": "uuid=" + c.uuid(), "vmgenid": c.uuid(), "boot": " "}
	for _, e := range p.list[i:] {
		if e.Request == nil || e.Response == nil || !strings.HasSuffix(p.short(&e), fmt.Sprintf("/qemu/%d/config", id)) || e.Request.Method != "GET" {
			continue
		}
		var answer struct {
			Data map[string]any `json:"data"`
		}
		if json.Unmarshal(e.Response.JSON, &answer) != nil || len(answer.Data) == 0 {
			continue
		}
		for key, value := range answer.Data {
			if key != "digest" {
				v.config[key] = fmt.Sprint(value)
			}
		}
		break
	}
	for _, key := range v.drives() {
		d := parseDrive(v.config[key])
		store, name, _ := splitVolume(d.volume)
		if s := c.storages[store]; s != nil {
			_, _ = s.add(name[strings.LastIndex(name, "/")+1:], id, max(d.size(), 4<<20), c.clock)
		}
	}
	c.vms[id] = v
}

// relock sets or removes the lock that somebody set by hand.
func (p *player) relock(e *exchange) {
	v := p.cluster.vms[vmidOf(p.short(e))]
	path := p.short(e)
	succeeded := *e.Response.Status == http.StatusOK
	if v != nil && succeeded && e.Request.Method == http.MethodDelete && !strings.Contains(p.outcome[upidText.FindString(string(e.Response.JSON))], "is locked") {
		delete(v.config, "lock")
	}
	if v == nil || e.Request.Method != http.MethodGet || !succeeded || !strings.HasSuffix(path, "/config") && !strings.HasSuffix(path, "/current") {
		return
	}
	if m := lockText.FindStringSubmatch(string(e.Response.JSON)); m != nil && v.config["lock"] == "" && m[1] != "clone" {
		v.config["lock"] = m[1]
	}
}

var lockText = regexp.MustCompile(`"lock":\s*"(\w+)"`)

// bootGuest lets the guest of a VM be up: polling was left out of the recording.
func (p *player) bootGuest(id int) {
	if v := p.cluster.vms[id]; v != nil && v.process != nil {
		if guest, ok := v.process.guest.(pretended); ok {
			guest.spec.Started = time.Time{}
			v.process.guest = guest
		}
	}
}
