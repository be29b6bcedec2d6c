package pve

import (
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "rewrite golden files")

const testSecret = "11111111-2222-4333-8444-555555555555"

// sent is a request as the fake server saw it.
type sent struct {
	Method, Path string
	Params       string // of query or body, decoded, in order: "a=b c=d"
	header       http.Header
	length       int64
}

// server is an in-memory PVE: answers come from a function, requests are kept.
type server struct {
	mu     sync.Mutex
	seen   []sent
	answer func(n int, r sent) (*http.Response, error) // n counts from 0
}

// RoundTrip implements http.RoundTripper.
func (s *server) RoundTrip(req *http.Request) (*http.Response, error) {
	r := sent{Method: req.Method, Path: strings.TrimPrefix(req.URL.Path, "/api2/json"), header: req.Header.Clone(), length: req.ContentLength}
	encoded := req.URL.RawQuery
	if req.Body != nil {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		encoded = string(body)
	}
	r.Params = decodeParams(encoded)
	s.mu.Lock()
	n := len(s.seen)
	s.seen = append(s.seen, r)
	s.mu.Unlock()
	type result struct {
		resp *http.Response
		err  error
	}
	done := make(chan result, 1)
	go func() {
		resp, err := s.answer(n, r)
		done <- result{resp, err}
	}()
	select {
	case <-req.Context().Done():
		return nil, req.Context().Err()
	case got := <-done:
		return got.resp, got.err
	}
}

func (s *server) requests() []sent {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]sent(nil), s.seen...)
}

// lines shows the requests, one a line.
func (s *server) lines() []string {
	var out []string
	for _, r := range s.requests() {
		out = append(out, strings.TrimSpace(r.Method+" "+r.Path+" "+r.Params))
	}
	return out
}

func decodeParams(encoded string) string {
	if encoded == "" {
		return ""
	}
	parts := strings.Split(encoded, "&")
	for i, part := range parts {
		decoded, err := url.PathUnescape(part) // "+" stays "+": it must not occur
		if err != nil {
			decoded = "(" + err.Error() + ")"
		}
		parts[i] = decoded
	}
	return strings.Join(parts, " ")
}

// reply makes an answer as PVE does, cause in the status line included.
func reply(status int, reason, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Status: strconv.Itoa(status) + " " + reason, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
}

// data makes a good answer.
func data(json string) *http.Response { return reply(200, "OK", `{"data":`+json+`}`) }

// always answers everything alike.
func always(status int, reason, body string) *server {
	return &server{answer: func(int, sent) (*http.Response, error) { return reply(status, reason, body), nil }}
}

// inTurn answers with one response after the other.
func inTurn(responses ...*http.Response) *server {
	return &server{answer: func(n int, _ sent) (*http.Response, error) {
		if n >= len(responses) {
			return reply(500, "too many requests for this test", ""), nil
		}
		return responses[n], nil
	}}
}

func newTestClient(t testing.TB, rt http.RoundTripper) *Client {
	t.Helper()
	return newLoggedClient(t, rt, nil)
}

func newLoggedClient(t testing.TB, rt http.RoundTripper, logger *slog.Logger) *Client {
	t.Helper()
	c, err := New(Config{
		URL: "https://pve.test:8006", TokenID: "lp@pve!run", TokenSecret: testSecret, Transport: rt, Logger: logger,
		PollDelay: defaultPollDelay, // and nothing learnt, so that times are exact
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func mustUPID(t testing.TB, s string) UPID {
	t.Helper()
	u, err := ParseUPID(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func readTestdata(t testing.TB, name string) []byte {
	t.Helper()
	content, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func readJSON(t testing.TB, name string, out any) {
	t.Helper()
	if err := json.Unmarshal(readTestdata(t, name), out); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// golden compares with a file, or with -update writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile("testdata/"+name, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(readTestdata(t, name)), got); diff != "" {
		t.Errorf("%s (-want +got; -update accepts):\n%s", name, diff)
	}
}
