package pve

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// rawServer speaks HTTP by hand over TLS, as pveproxy has habits that net/http
// cannot imitate: own reasons, own statuses, connections closed without a word.
// Answers are by the number of the request, from 0; "" closes the connection.
func rawServer(t *testing.T, answers ...string) (cfg Config, requests *atomic.Int32) {
	source := httptest.NewTLSServer(http.NotFoundHandler())
	certificate := source.TLS.Certificates[0]
	fingerprint := fingerprintOf(source.Certificate().Raw)
	source.Close()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	requests = new(atomic.Int32)
	serve := func(conn net.Conn) {
		defer func() { _ = conn.Close() }()
		for r := bufio.NewReader(conn); ; {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			_ = req.Body.Close()
			n := int(requests.Add(1)) - 1
			if n >= len(answers) || answers[n] == "" {
				return
			}
			if _, err := fmt.Fprint(conn, answers[n]); err != nil || strings.Contains(answers[n], "Connection: close") {
				return
			}
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return Config{URL: "https://" + l.Addr().String(), Fingerprint: fingerprint}, requests
}

func okReply(json string) string {
	body := `{"data":` + json + `}`
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\nContent-Type: application/json;charset=UTF-8\r\n\r\n%s", len(body), body)
}

func dialled(t *testing.T, cfg Config) *Client {
	t.Helper()
	transport, err := newTransport(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if tr, ok := transport.(*http.Transport); ok {
		t.Cleanup(tr.CloseIdleConnections)
	}
	return newTestClientAt(t, cfg.URL, transport)
}

func newTestClientAt(t *testing.T, url string, transport http.RoundTripper) *Client {
	t.Helper()
	c, err := New(Config{URL: url, TokenID: "lp@pve!run", TokenSecret: testSecret, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestReasonOnTheWire: auth failures have no body, only the status line.
func TestReasonOnTheWire(t *testing.T) {
	cfg, _ := rawServer(t, "HTTP/1.1 401 Authentication failed!\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
	_, err := dialled(t, cfg).Version(t.Context())
	var e *Error
	if !errors.As(err, &e) || e.Reason != "Authentication failed!" || e.Status != 401 || !errors.Is(err, ErrAuth) {
		t.Errorf("%v", err)
	}
}

// TestLostOnTheWire: the connection that worked a moment ago closes when a
// change was written to it, or before.
func TestLostOnTheWire(t *testing.T) {
	cfg, requests := rawServer(t, okReply(versionJSON), "")
	c := dialled(t, cfg)
	if _, err := c.Version(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Stop(t.Context(), vm101); !errors.Is(err, ErrOutcomeUnknown) || requests.Load() != 2 {
		t.Errorf("%d requests, %v", requests.Load(), err)
	}
}

// TestReadLostOnTheWire: a read simply asks again.
func TestReadLostOnTheWire(t *testing.T) {
	cfg, requests := rawServer(t, okReply(versionJSON), "", "HTTP/1.1 596 Connection timed out\r\nContent-Length: 0\r\n\r\n", okReply(versionJSON))
	c := dialled(t, cfg)
	for range 2 {
		if _, err := c.Version(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if requests.Load() != 4 {
		t.Errorf("%d requests", requests.Load())
	}
}

// TestCutAnswerOnTheWire: a body shorter than its length is a lost answer.
func TestCutAnswerOnTheWire(t *testing.T) {
	cfg, _ := rawServer(t, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 500\r\n\r\n{\"data\":\"UPID", "")
	if _, err := dialled(t, cfg).Stop(t.Context(), vm101); !errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("%v", err)
	}
}
