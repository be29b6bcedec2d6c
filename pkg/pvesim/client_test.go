package pvesim

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// client speaks to a cluster the way any HTTP client does.
type client struct {
	t     *testing.T
	http  *http.Client
	base  string
	token string
}

func newClient(t *testing.T, c *Cluster) *client {
	return &client{
		t: t, http: &http.Client{Transport: c.Transport()}, base: "https://pve.test:8006",
		token: SandboxTokenID + "=" + SandboxTokenSecret,
	}
}

// reply is one answer, decoded as far as every answer goes.
type reply struct {
	Status  int               `json:"-"`
	Reason  string            `json:"-"`
	Body    string            `json:"-"`
	Data    json.RawMessage   `json:"data"`
	Message string            `json:"message"`
	Errors  map[string]string `json:"errors"`
	Total   *int              `json:"total"`
}

// do sends a request; args are parameters in pairs.
func (c *client) do(method, path string, args ...string) reply {
	c.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(args); i += 2 {
		form.Add(args[i], args[i+1])
	}
	target, body := c.base+"/api2/json"+path, io.Reader(nil)
	if method == http.MethodGet || method == http.MethodDelete {
		if len(form) > 0 {
			target += "?" + form.Encode()
		}
	} else {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(c.t.Context(), method, target, body)
	if err != nil {
		c.t.Fatal(err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("Authorization", "PVEAPIToken="+c.token)
	return c.send(r)
}

func (c *client) send(r *http.Request) reply {
	c.t.Helper()
	response, err := c.http.Do(r)
	if err != nil {
		c.t.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	_, reason, _ := strings.Cut(response.Status, " ")
	answer := reply{Status: response.StatusCode, Reason: reason, Body: string(raw)}
	if len(raw) > 0 && strings.HasPrefix(response.Header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(raw, &answer); err != nil {
			c.t.Fatalf("%s %s: %v in %s", r.Method, r.URL, err, raw)
		}
	}
	return answer
}

// ok sends a request that must succeed and decodes its data.
func ok[T any](c *client, method, path string, args ...string) T {
	c.t.Helper()
	r := c.do(method, path, args...)
	if r.Status != http.StatusOK {
		c.t.Fatalf("%s %s: %d %s %s", method, path, r.Status, r.Reason, r.Body)
	}
	var data T
	if err := json.Unmarshal(r.Data, &data); err != nil {
		c.t.Fatalf("%s %s: %v in %s", method, path, err, r.Data)
	}
	return data
}

// wait waits for a task and returns its exit status.
func (c *client) wait(upid string) string {
	c.t.Helper()
	for {
		s := ok[taskStatus](c, http.MethodGet, "/nodes/pve/tasks/"+url.PathEscape(upid)+"/status")
		if s.Status == "stopped" {
			return s.ExitStatus
		}
		<-time.After(20 * time.Millisecond)
	}
}

// task sends a request that starts a task and waits for it.
func (c *client) task(method, path string, args ...string) string {
	c.t.Helper()
	return c.wait(ok[string](c, method, path, args...))
}

// done is task for those that must end well.
func (c *client) done(method, path string, args ...string) {
	c.t.Helper()
	if status := c.task(method, path, args...); status != "OK" {
		c.t.Fatalf("%s %s: task ended with %q", method, path, status)
	}
}

func newSandbox(t *testing.T, major int, change func(*Topology)) *Cluster {
	t.Helper()
	topology := SandboxTopology(major)
	if change != nil {
		change(&topology)
	}
	c, err := New(topology, WithSeed(1))
	if err != nil {
		t.Fatal(err)
	}
	return c
}
