package recordings

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// short is an entry of the second format: a request as text, and its answer with the end and the log of the task.
type short struct {
	Name       string                     `json:"name"`
	Request    string                     `json:"request"` // "GET /version"
	Form       map[string]json.RawMessage `json:"form"`    // the query, or the body of POST and PUT
	Status     int                        `json:"status"`
	Reason     string                     `json:"reason"`
	Answer     json.RawMessage            `json:"answer"`
	ExitStatus string                     `json:"exitstatus"`
	Log        []string                   `json:"log"`
}

// shortToken is what the short recordings were made with. The secret is that of file 30 of the same version.
const shortToken = "PVEAPIToken=labctl@pve!run=00000000-0000-4000-8000-000000000104"

// decode reads one entry. A short one becomes up to three: the request, then what became of its task, and the task's log.
func decode(entry json.RawMessage, number int) ([]Exchange, error) {
	var kind struct {
		Request json.RawMessage `json:"request"`
	}
	if err := json.Unmarshal(entry, &kind); err != nil {
		return nil, err
	}
	if !strings.HasPrefix(string(kind.Request), `"`) {
		var e Exchange
		err := json.Unmarshal(entry, &e)
		return []Exchange{e}, err
	}
	var s short
	if err := json.Unmarshal(entry, &s); err != nil {
		return nil, err
	}
	return s.exchanges(number), nil
}

var hiddenUPID = regexp.MustCompile(`UPID:(\w+):PID:PSTART:START:`)

// exchanges gives the task of a short entry a UPID of its own, since the recorded one hides what makes it unique, as if
// requests had been sent every five seconds.
func (s short) exchanges(number int) []Exchange {
	const firstStart, secondsBetween = 0x6B0A9000, 5
	task := taskID{pid: 0x1000 + number, pstart: 60000 + 100*secondsBetween*number, start: firstStart + secondsBetween*number}
	answer := hiddenUPID.ReplaceAll(s.Answer, []byte(task.upid("$1")))
	list := []Exchange{s.first(answer)}
	var started struct {
		Data string `json:"data"`
	}
	if s.ExitStatus == "" || json.Unmarshal(answer, &started) != nil {
		return list
	}
	return append(list, s.end(started.Data, task), s.log(started.Data))
}

// taskID is what makes a task's UPID unique.
type taskID struct{ pid, pstart, start int }

func (t taskID) upid(node string) string {
	return fmt.Sprintf("UPID:%s:%08X:%08X:%08X:", node, t.pid, t.pstart, t.start)
}

func (s short) first(answer json.RawMessage) Exchange {
	method, path, _ := strings.Cut(s.Request, " ")
	request := newRequest(method, path)
	form := url.Values{}
	request.Form = map[string]any{}
	for key, value := range s.Form {
		var text string
		if json.Unmarshal(value, &text) != nil { // a number
			text = string(value)
		}
		form.Set(key, text)
		request.Form[key] = text
	}
	switch {
	case method == http.MethodPost || method == http.MethodPut:
		body := form.Encode()
		request.Body = &body
	case len(form) > 0:
		request.Path += "?" + form.Encode()
	}
	if string(answer) == `""` {
		answer = nil
	}
	return Exchange{Name: s.Name, Request: request, Response: &Response{Status: &s.Status, Reason: s.Reason, JSON: answer}}
}

// end is the task's status once it has ended. Everything in it but the exit status is in the UPID.
func (s short) end(upid string, task taskID) Exchange {
	parts := strings.Split(upid, ":") // UPID:node:pid:pstart:start:type:id:user!token:
	user, token, _ := strings.Cut(parts[7], "!")
	return s.follow(upid, "status", map[string]any{"data": map[string]any{
		"status": "stopped", "exitstatus": s.ExitStatus, "upid": upid, "node": parts[1], "type": parts[5], "id": parts[6],
		"user": user, "tokenid": token, "pid": task.pid, "pstart": task.pstart, "starttime": task.start,
	}})
}

func (s short) log(upid string) Exchange {
	lines := make([]map[string]any, len(s.Log))
	for i, text := range s.Log {
		lines[i] = map[string]any{"n": i + 1, "t": text}
	}
	return s.follow(upid, "log", map[string]any{"data": lines, "total": len(lines)})
}

func (s short) follow(upid, what string, answer map[string]any) Exchange {
	text, _ := json.Marshal(answer) // texts and numbers only
	ok := http.StatusOK
	request := newRequest(http.MethodGet, "/nodes/pve/tasks/"+url.PathEscape(upid)+"/"+what)
	return Exchange{Name: s.Name + "." + what, Request: request, Response: &Response{Status: &ok, Reason: "OK", JSON: text}}
}

func newRequest(method, path string) *Request {
	return &Request{Method: method, Path: "/api2/json" + path, Headers: map[string]string{"Authorization": shortToken}}
}
