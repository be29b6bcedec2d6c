package pvesim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"labctl/pkg/internal/recordings"
)

type exchange = recordings.Exchange

// recorded is the folder with the exchanges that were recorded from real servers.
func recorded(t *testing.T) recordings.Folder {
	t.Helper()
	folder, err := recordings.Exchanges()
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// tally counts what became of the exchanges of one file.
type tally struct {
	replayed, matched int
	core, coreMatched int // those of methods that labctl uses
	skipped           map[string]int
	mismatches        []string
}

// TestReplay plays everything that was recorded from a real Proxmox VE against the simulation.
func TestReplay(t *testing.T) {
	folder := recorded(t)
	var total tally
	for _, version := range []string{"8.4", "9.2"} {
		names, err := folder.Series(version)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					one := replaySeries(t, folder, version, name)
					t.Logf("replayed %d, matched %d (%.1f %%), skipped %s", one.replayed, one.matched, one.rate(), reasons(one.skipped))
					for _, m := range one.mismatches {
						t.Log(m)
					}
					if least := leastRate(name); one.rate() < least {
						t.Errorf("%.1f %% of the answers are as recorded, at least %.1f %% must be", one.rate(), least)
					}
					if strings.HasPrefix(name, "exchanges-") {
						total.add(one)
					}
				})
			})
		}
	}
	t.Logf("exchanges-*: %d of %d match (%.1f %%); methods that labctl uses: %d of %d (%.1f %%)", total.matched, total.replayed,
		total.rate(), total.coreMatched, total.core, share(total.coreMatched, total.core))
	if total.replayed > 0 && (total.rate() < leastOfAll || share(total.coreMatched, total.core) < leastOfCore) {
		t.Errorf("at least %.1f %% of all answers in exchanges-* and %.1f %% of labctl's methods must be as recorded", leastOfAll, leastOfCore)
	}
}

// add adds what became of another file.
func (t *tally) add(other tally) {
	t.replayed += other.replayed
	t.matched += other.matched
	t.core += other.core
	t.coreMatched += other.coreMatched
}

// rate is the share of answers that are as recorded, in percent.
func (t *tally) rate() float64 { return share(t.matched, t.replayed) }

func share(part, whole int) float64 { return 100 * float64(part) / float64(max(whole, 1)) }

func reasons(skipped map[string]int) string {
	var parts []string
	for _, reason := range sortedKeys(skipped) {
		parts = append(parts, fmt.Sprintf("%d (%s)", skipped[reason], reason))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// player replays one file.
type player struct {
	t       *testing.T
	cluster *Cluster
	http    *http.Client
	list    []exchange
	number  string // of the file: which world it starts from
	folder  recordings.Folder
	version string
	mapped  map[string]string   // recorded text → ours: UPIDs, secrets, tickets, digests
	stopAt  map[string]int      // recorded UPID → first exchange in which it is seen to have ended
	outcome map[string]string   // recorded UPID → its log
	made    map[int]bool        // VMs that were made outside the recording
	full    map[string][]string // roles before one privilege was taken out

	standing []*armed // faults that hold until an observation says otherwise
	once     []*armed // faults of the next change

	restarting bool    // pvedaemon was killed, and is started before the next request
	first      int64   // when the first recorded task started
	booted     float64 // seconds since the epoch at which the recorded node booted
}

func replaySeries(t *testing.T, folder recordings.Folder, version, name string) tally {
	number, _, _ := strings.Cut(path.Base(name), "-")
	p := &player{t: t, folder: folder, version: version, number: number, list: readSeries(t, folder, name), made: map[int]bool{}}
	p.world()
	p.foresee()
	return p.play()
}

func readSeries(t *testing.T, folder recordings.Folder, name string) []exchange {
	t.Helper()
	list, err := folder.Exchanges(name)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

var upidText = regexp.MustCompile(`UPID:[^:"/]+:[0-9A-F]+:[0-9A-F]+:[0-9A-F]+:[^:"]+:[^:"]*:[^:"/]+:`)

// foresee finds out when each recorded task was seen to have ended, and with what log.
func (p *player) foresee() {
	p.stopAt, p.outcome = map[string]int{}, map[string]string{}
	for i, e := range p.list {
		if e.Request == nil || e.Response == nil {
			continue
		}
		path, _ := url.PathUnescape(e.Request.Path)
		id := upidText.FindString(path)
		text := string(e.Response.JSON)
		if id != "" && strings.HasSuffix(path, "/status") && strings.Contains(text, `"exitstatus"`) {
			if _, known := p.stopAt[id]; !known {
				p.stopAt[id] = i
			}
			p.outcome[id] += text
		}
		if id != "" && strings.Contains(path, "/log") {
			p.outcome[id] += text
		}
		if id := upidText.FindString(text); id != "" {
			u, _ := parseUPID(id)
			p.booted = max(p.booted, float64(u.started)-float64(u.pstart)/100)
			if p.first == 0 {
				p.first = u.started
			}
		}
	}
}

// recordedTime is when an exchange took place, if its answer tells.
func (p *player) recordedTime(e *exchange) (time.Time, bool) {
	if e.Request == nil || e.Response == nil || e.Request.Method == "GET" {
		return time.Time{}, false
	}
	u, ok := parseUPID(upidText.FindString(string(e.Response.JSON)))
	return time.UnixMicro(int64((p.booted + float64(u.pstart)/100) * 1e6)), ok
}

// keepTime lets as much time pass as had passed in the recording.
func (p *player) keepTime(e *exchange) {
	at, known := p.recordedTime(e)
	if !known {
		at = time.Now().Add(20 * time.Millisecond)
	}
	if wait := time.Until(at); wait > 0 {
		<-time.After(wait)
	}
	if p.number == "37" && strings.HasSuffix(e.Name, "slow15.config") {
		<-time.After(10 * time.Second)
	}
	if p.restarting {
		<-time.After(5 * time.Second)
		p.restarting = false
	}
	p.awaitUnlock(e)
	p.awaitClone(e)
	p.awaitExpiry(e)
}

// awaitClone lets a clone come as far as it had come when it was looked at, or aborted.
func (p *player) awaitClone(e *exchange) {
	looked := strings.Contains(e.Name, "during") || strings.Contains(e.Name, "running") || strings.HasPrefix(e.Name, "abort") || strings.Contains(e.Name, "kill") ||
		p.number == "46" && !strings.Contains(e.Name, ".clone")
	if !looked || p.number == "20" {
		return
	}
	p.cluster.enter()
	var wait time.Duration
	for _, t := range p.cluster.tasks {
		if t.running() && t.kind == "qmclone" {
			wait = 500*time.Millisecond + 2*p.cluster.timings.Allocate - time.Since(t.started)
		}
	}
	p.cluster.unlock()
	if wait > 0 {
		<-time.After(wait)
	}
}

// awaitUnlock lets a clone come to its end that had come to it when it was looked at: polling was thinned out.
func (p *player) awaitUnlock(e *exchange) {
	if e.Request == nil || e.Response == nil || e.Response.Status == nil || *e.Response.Status != 200 || !strings.HasSuffix(p.short(e), "/config") {
		return
	}
	p.cluster.enter()
	v := p.cluster.vms[vmidOf(p.short(e))]
	var running string
	if v != nil && v.config["lock"] == "clone" && !lockText.MatchString(string(e.Response.JSON)) {
		for _, t := range p.cluster.tasks {
			if t.running() && t.kind == "qmclone" {
				running = t.upid
			}
		}
	}
	p.cluster.unlock()
	if running != "" {
		p.waitFor(running, time.Hour)
	}
}

// awaitExpiry lets a token run out that had run out.
func (p *player) awaitExpiry(e *exchange) {
	if e.Response == nil || e.Response.Status == nil || *e.Response.Status != http.StatusUnauthorized {
		return
	}
	var wait time.Duration
	p.cluster.lock()
	for _, u := range p.cluster.access.users {
		for _, t := range u.tokens {
			if left := time.Until(time.Unix(t.expires, 0)); left > 0 && left < time.Hour && strings.Contains(e.Request.Headers["Authorization"], u.id+"!"+t.name) {
				wait = left
			}
		}
		if left := time.Until(time.Unix(u.expires, 0)); left > 0 && left < time.Hour {
			wait = left
		}
	}
	p.cluster.unlock()
	<-time.After(wait + time.Millisecond)
}

// play sends the exchanges in their order.
func (p *player) play() tally {
	result := tally{skipped: map[string]int{}}
	for i := range p.list {
		e := &p.list[i]
		p.keepTime(e)
		p.settle(i)
		p.outOfBand(i)
		if reason := p.skip(e); reason != "" {
			result.skipped[reason]++
			if e.Request != nil {
				p.followUp(e)
			}
			continue
		}
		got := p.send(e)
		differences := p.compare(e, got)
		result.replayed++
		core := isCore(e.Request.Method, e.Request.Path)
		result.core += bit(core)
		if len(differences) == 0 {
			result.matched++
			result.coreMatched += bit(core)
		} else {
			result.mismatches = append(result.mismatches, fmt.Sprintf("%s: %s %s: %s", e.Name, e.Request.Method, p.short(e), strings.Join(differences, "; ")))
		}
		p.learn(e, got)
		p.followUp(e)
	}
	return result
}

func (p *player) short(e *exchange) string {
	path, _ := url.PathUnescape(strings.TrimPrefix(e.Request.Path, "/api2/json"))
	return path[:min(len(path), 200)]
}

// settle waits for all tasks that were over at this point of the recording.
func (p *player) settle(i int) {
	for _, recorded := range sortedKeys(p.mapped) {
		if !strings.HasPrefix(recorded, "UPID:") {
			continue
		}
		ours := p.mapped[recorded]
		end, known := p.stopAt[recorded]
		switch {
		case known && end > i:
		case strings.Contains(p.outcome[recorded], "unexpected status"):
			p.killTask(ours)
		case known:
			p.waitFor(ours, time.Hour)
		default:
			p.waitFor(ours, 3*time.Second)
		}
	}
}

// killTask ends a worker as it was ended then, unless a request does that.
func (p *player) killTask(id string) {
	p.cluster.enter()
	defer p.cluster.unlock()
	if t, known := p.cluster.taskByUPID(id); known && t.running() && t.kind == "qmclone" {
		t.worker.kill()
	}
}

func (p *player) waitFor(id string, limit time.Duration) {
	deadline := time.Now().Add(limit)
	for time.Now().Before(deadline) {
		p.cluster.enter()
		t, known := p.cluster.taskByUPID(id)
		running := known && t.running()
		due, pending := p.cluster.nextDue()
		p.cluster.unlock()
		if !running || !pending {
			return
		}
		<-time.After(max(time.Until(due), time.Millisecond))
	}
}

// translate replaces what is different in our run.
func (p *player) translate(s string) string {
	keys := sortedKeys(p.mapped)
	sort.SliceStable(keys, func(a, b int) bool { return len(keys[a]) > len(keys[b]) })
	for _, recorded := range keys {
		s = strings.ReplaceAll(s, recorded, p.mapped[recorded])
	}
	return s
}

func (p *player) send(e *exchange) reply {
	var body io.Reader
	if e.Request.Body != nil {
		body = strings.NewReader(p.translate(*e.Request.Body))
	}
	r, err := http.NewRequestWithContext(p.t.Context(), e.Request.Method, "https://pve.test:8006"+p.translatePath(e.Request.Path), body)
	if err != nil {
		p.t.Fatal(err)
	}
	for name, value := range e.Request.Headers {
		r.Header.Set(name, p.translate(p.credentials(value)))
	}
	if e.Request.Body != nil && r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := p.http.Do(r)
	if err != nil {
		return reply{Reason: err.Error()}
	}
	defer response.Body.Close()
	raw, _ := io.ReadAll(response.Body)
	_, reason, _ := strings.Cut(response.Status, " ")
	got := reply{Status: response.StatusCode, Reason: reason, Body: string(raw)}
	_ = json.Unmarshal(raw, &got)
	return got
}

// translatePath translates each part of a path on its own, since it may be encoded in more than one way.
func (p *player) translatePath(path string) string {
	path, query, hasQuery := strings.Cut(path, "?")
	parts := strings.Split(path, "/")
	for i, part := range parts {
		decoded, err := url.PathUnescape(part)
		if translated := p.translate(decoded); err == nil && translated != decoded {
			parts[i] = url.PathEscape(translated)
		}
	}
	path = strings.Join(parts, "/")
	if hasQuery {
		path += "?" + p.translate(query)
	}
	return path
}

// learn remembers what stands for what from now on.
func (p *player) learn(e *exchange, got reply) {
	var was, is any
	if e.Response == nil || json.Unmarshal(e.Response.JSON, &was) != nil || json.Unmarshal([]byte(got.Body), &is) != nil {
		return
	}
	p.pair(was, is, "")
}

// pair maps the texts at equal places of two answers that are known to differ.
func (p *player) pair(was, is any, key string) {
	switch w := was.(type) {
	case map[string]any:
		if i, ok := is.(map[string]any); ok {
			for k, v := range w {
				p.pair(v, i[k], k)
			}
		}
	case string:
		i, ok := is.(string)
		if !ok || i == w {
			return
		}
		if slices.Contains([]string{"digest", "ticket", "CSRFPreventionToken", "value"}, key) && len(w) > 10 || upidText.MatchString(w) {
			p.mapped[w] = i
			p.mapped[url.QueryEscape(w)] = url.QueryEscape(i)
		}
	}
}

func mustJSON(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v)
	return strings.TrimSpace(b.String())
}
