package pvesim

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var (
	madeSlow  = regexp.MustCompile(`zfs (create|clone) made slow: (\d+) s`)
	slowOnce  = regexp.MustCompile(`zfs (create|clone) made slow \((\d+) s\)`)
	asQuickAs = "as fast as before"
)

// slowDown makes zfs as slow as an observation says: until another one takes it back, or for the next change only.
func (p *player) slowDown(observation string) {
	slow := func(m []string) []*armed {
		seconds, _ := strconv.Atoi(m[2])
		return []*armed{{Fault: Fault{
			Volume: &VolumeMatch{Operation: m[1]}, Times: -1, Do: Action{Delay: time.Duration(seconds) * time.Second},
		}}}
	}
	if m := madeSlow.FindStringSubmatch(observation); m != nil {
		p.standing = slow(m)
	}
	if m := slowOnce.FindStringSubmatch(observation); m != nil {
		p.once = slow(m)
	}
	if strings.HasSuffix(observation, asQuickAs) {
		p.standing = nil
	}
}

// breakDaemon takes pvedaemon or its new worker away where the recorded answer shows it.
func (p *player) breakDaemon(e *exchange) {
	if e.Response.Status == nil || p.number < "40" {
		return
	}
	var do Action
	switch reason := e.Response.Reason; {
	case reason == "got no worker upid - start worker failed":
		do.NoWorker = true
	case *e.Response.Status == 595:
		do.Daemon = "away"
	case *e.Response.Status == 596 && strings.HasPrefix(reason, "Connection reset"):
		do.Daemon = "before"
	case *e.Response.Status == 596:
		p.restarting = true
		do = Action{Daemon: "during", Delay: time.Duration(e.Response.Seconds * float64(time.Second))}
	default:
		return
	}
	p.cluster.faults = append(p.cluster.faults, &armed{Fault: Fault{Request: &RequestMatch{Method: e.Request.Method}, Times: -1, Do: do}})
}

// daemonAway reports whether a look met a server without pvedaemon.
func daemonAway(e *exchange) bool {
	return e.Request.Method == http.MethodGet && e.Response.Status != nil && *e.Response.Status == 595
}
