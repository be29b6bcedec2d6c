package pvesim

import (
	"regexp"
	"strings"
)

// skip says why an exchange cannot be replayed, if it cannot: always a fact of the recording.
func (p *player) skip(e *exchange) string {
	if reason := unrecorded(e); reason != "" {
		return reason
	}
	reason, path := e.Response.Reason, p.short(e)
	switch {
	case p.number == "13" && (e.Name == "content.after" || e.Name == "cleanup" && strings.Contains(path, "pools")):
		return "depends on bytes on a socket"
	case p.needsRealGuest(e):
		return "needs the operating system of a real guest"
	case strings.Contains(reason, ", VM.Config.") && e.Name == "create":
		return "which of several keys is looked at first was chance"
	case p.byChance(e):
		return "who got the lock was chance"
	case p.hasUnknownTask(e):
		return "the task was started outside the recording"
	}
	return ""
}

// unrecorded says what of an exchange is not in the recording.
func unrecorded(e *exchange) string {
	switch {
	case e.Request == nil:
		return "observation outside the API"
	case e.Request.Raw != "" || e.Request.Method == "":
		return "bytes on a socket"
	case e.Response == nil || e.Response.Status == nil && e.Response.JSON == nil:
		return "no answer was recorded"
	case e.Response.Status != nil && *e.Response.Status == 0:
		return "no answer was recorded"
	case e.Request.Body == nil && e.Response.Status == nil:
		return "the uploaded file was not recorded"
	case e.Request.Body != nil && placeholderBody.MatchString(*e.Request.Body):
		return "the body was not recorded"
	}
	return ""
}

var placeholderBody = regexp.MustCompile(`^<\d+ bytes>$`)

// byChance reports whether a task lost a race for the storage lock: the kernel does not serve waiters in their order.
func (p *player) byChance(e *exchange) bool {
	id := upidText.FindString(p.short(e))
	return id != "" && strings.HasPrefix(p.number, "34") && strings.Contains(p.outcome[id], "can't lock file '/var/lock/pve-manager/")
}

// hasUnknownTask reports whether the request is about a task whose start was not recorded with an answer.
func (p *player) hasUnknownTask(e *exchange) bool {
	path := p.short(e)
	id := upidText.FindString(path)
	_, started := p.mapped[id]
	return id != "" && !started && e.Response.Status != nil && *e.Response.Status == 200 && !strings.Contains(string(e.Response.JSON), "unable to open file")
}

var realGuest = regexp.MustCompile(`/agent/(?:exec|exec-status|file-write|get-fsinfo|get-vcpus|get-memory-blocks|fstrim|set-user-password|get-users)`)

// needsRealGuest reports whether an agent really did something in a guest, or had been killed in it.
func (p *player) needsRealGuest(e *exchange) bool {
	path := p.short(e)
	if !strings.Contains(path, "/agent") {
		return false
	}
	status, text := *e.Response.Status, string(e.Response.JSON)+e.Response.Reason
	has := func(part string) bool { return strings.Contains(text, part) }
	ran := status == 200 || status == 596 || has("Agent error") || has("Wide character") || has("command 'guest-")
	switch {
	case strings.Contains(path, "file-read"):
		return status == 200 || has("failed to read file")
	case p.number == "24" && has("agent is not running"):
		return true
	}
	return realGuest.MatchString(path) && ran
}

var coreMethods = regexp.MustCompile(`^(?:GET /version|GET /nodes|GET /cluster/(?:resources|nextid)|GET /access/permissions|GET /pools(?:/[^/]+)?|` +
	`POST /nodes/[^/]+/qemu(?:/\d+/(?:clone|config|status/(?:start|stop)))?|GET /nodes/[^/]+/qemu/\d+/(?:config|status/current)|PUT /nodes/[^/]+/qemu/\d+/resize|` +
	`DELETE /nodes/[^/]+/qemu/\d+|(?:POST|GET) /nodes/[^/]+/qemu/\d+/agent/(?:ping|network-get-interfaces|file-read|get-osinfo)|` +
	`GET /nodes/[^/]+/storage(?:/[^/]+/(?:content|status))?|GET /storage|(?:GET|DELETE) /nodes/[^/]+/tasks.*)$`)

// isCore reports whether a method is one that labctl uses.
func isCore(method, path string) bool {
	path, _, _ = strings.Cut(strings.TrimPrefix(path, "/api2/json"), "?")
	return coreMethods.MatchString(method + " " + path)
}
