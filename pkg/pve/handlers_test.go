package pve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	errReset = errors.New("read: connection reset by peer")
	errDial  = &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connect: connection refused")}
	vm101    = VMRef{Node: "pve", ID: 101}
)

const upidStop = "UPID:pve:000002F0:000B8C3B:6B02D96B:qmstop:101:lp@pve!run:"

// failing answers with the errors in turn, then well.
func failing(good string, errs ...error) *server {
	return &server{answer: func(n int, _ sent) (*http.Response, error) {
		if n < len(errs) {
			return nil, errs[n]
		}
		return data(good), nil
	}}
}

const versionJSON = `{"version":"9.2.11","release":"9.2","repoid":"14a22df35955d97d"}`

func TestReadsAreRetried(t *testing.T) {
	tests := map[string][]*http.Response{
		"596":       {reply(596, "Connection timed out", "")},
		"595":       {reply(595, "Connection refused", ""), reply(595, "No route to host", "")},
		"599":       {reply(599, "Too many redirections", "")},
		"502":       {reply(502, "Bad Gateway", "<html>")},
		"429":       {reply(429, "Too Many Requests", "")},
		"no quorum": {reply(500, "cluster not ready - no quorum?", "")},
	}
	for name, bad := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := inTurn(append(bad, data(versionJSON))...)
				if _, err := newTestClient(t, s).Version(t.Context()); err != nil {
					t.Error(err)
				}
				if got, want := len(s.requests()), len(bad)+1; got != want {
					t.Errorf("%d requests, want %d", got, want)
				}
			})
		})
	}
}

func TestRetryEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := always(595, "No route to host", "")
		start := time.Now()
		_, err := newTestClient(t, s).Version(t.Context())
		if took := time.Since(start); !errors.Is(err, ErrTransient) || took < 45*time.Second || took > retryElapsed+retryMax {
			t.Errorf("after %v: %v", took, err)
		}
		if n := len(s.requests()); n < 10 || n > 40 {
			t.Errorf("%d requests in a minute", n)
		}
	})
}

func TestRetryHonoursContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		_, err := newTestClient(t, always(595, "No route to host", "")).Version(ctx)
		if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took != 3*time.Second {
			t.Errorf("after %v: %v", took, err)
		}
	})
}

func TestNotRetried(t *testing.T) {
	for status, reason := range map[int]string{
		400: "Parameter verification failed.", 401: "Authentication failed!", 403: "Permission check failed (/, Sys.Audit)",
		500: "storage 'nope' does not exist", 501: "Method 'GET /version' not implemented",
	} {
		s := always(status, reason, "")
		if _, err := newTestClient(t, s).Version(t.Context()); err == nil || len(s.requests()) != 1 {
			t.Errorf("%d: %d requests, %v", status, len(s.requests()), err)
		}
	}
}

// TestUnreachable: a server that never answered is most likely a wrong address,
// and one that did is most likely restarting.
func TestUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, cause := range []error{errDial, io.EOF, errReset} {
			s := failing(versionJSON, cause)
			c := newTestClient(t, s)
			_, err := c.Version(t.Context())
			var unreachable *UnreachableError
			if !errors.As(err, &unreachable) || !errors.Is(err, cause) || len(s.requests()) != 1 {
				t.Errorf("first contact: %d requests, %v", len(s.requests()), err)
				continue
			}
			for _, part := range []string{"https://pve.test:8006", "pve.url", "firewall", "8006"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q lacks %q", err, part)
				}
			}
			s = &server{answer: func(n int, _ sent) (*http.Response, error) {
				if n == 1 || n == 2 {
					return nil, cause
				}
				return data(versionJSON), nil
			}}
			c = newTestClient(t, s)
			for range 2 {
				if _, err := c.Version(t.Context()); err != nil {
					t.Errorf("later: %v", err)
				}
			}
		}
	})
}

// TestChangesAreSentOnce has every way a change can fail to be answered.
func TestChangesAreSentOnce(t *testing.T) {
	tests := map[string]struct {
		answer func() (*http.Response, error)
		want   error
	}{
		"connection reset":   {func() (*http.Response, error) { return nil, errReset }, ErrOutcomeUnknown},
		"EOF":                {func() (*http.Response, error) { return nil, io.EOF }, ErrOutcomeUnknown},
		"596":                {func() (*http.Response, error) { return reply(596, "Connection timed out", ""), nil }, ErrOutcomeUnknown},
		"595":                {func() (*http.Response, error) { return reply(595, "Connection refused", ""), nil }, ErrTransient},
		"599":                {func() (*http.Response, error) { return reply(599, "Too many redirections", ""), nil }, ErrOutcomeUnknown},
		"502":                {func() (*http.Response, error) { return reply(502, "Bad Gateway", ""), nil }, ErrOutcomeUnknown},
		"cut body":           {func() (*http.Response, error) { return cutReply(), nil }, ErrOutcomeUnknown},
		"200 without JSON":   {func() (*http.Response, error) { return reply(200, "OK", "<html>"), nil }, ErrOutcomeUnknown},
		"200 without a task": {func() (*http.Response, error) { return data("null"), nil }, ErrOutcomeUnknown},
		"200 with nonsense":  {func() (*http.Response, error) { return data(`"UPID"`), nil }, ErrOutcomeUnknown},
		"refused to connect": {func() (*http.Response, error) { return nil, errDial }, ErrTransient},
		"no worker":          {func() (*http.Response, error) { return reply(500, "got no worker upid - start worker failed", ""), nil }, ErrTransient},
		"no quorum":          {func() (*http.Response, error) { return reply(500, "cluster not ready - no quorum?", ""), nil }, ErrTransient},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &server{answer: func(int, sent) (*http.Response, error) { return tt.answer() }}
				c := newTestClient(t, s)
				_, err := c.Stop(t.Context(), vm101)
				if !errors.Is(err, tt.want) || len(s.requests()) != 1 {
					t.Errorf("%d requests, %v, want %v", len(s.requests()), err, tt.want)
				}
			})
		})
	}
}

// TestChangeTimesOut: its own time limit is not the context's.
func TestChangeTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		defer close(end)
		s := &server{answer: func(int, sent) (*http.Response, error) { <-end; return nil, io.EOF }}
		start := time.Now()
		_, err := newTestClient(t, s).Stop(t.Context(), vm101)
		if !errors.Is(err, ErrOutcomeUnknown) || errors.Is(err, context.DeadlineExceeded) || time.Since(start) != DefaultRequestTimeout {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		if len(s.requests()) != 1 || !strings.Contains(err.Error(), "1m0s") {
			t.Errorf("%d requests, %v", len(s.requests()), err)
		}
	})
}

// cutReply is an answer whose body ends before its length.
func cutReply() *http.Response {
	resp := data(`"` + upidStop + `"`)
	resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"data":"UP`), iotestErr{io.ErrUnexpectedEOF}))
	return resp
}

type iotestErr struct{ err error }

func (r iotestErr) Read([]byte) (int, error) { return 0, r.err }

// TestChangeInFlight: a change on its way is answered although its context ends,
// for a while; one not on its way is not sent.
func TestChangeInFlight(t *testing.T) {
	for _, tt := range []struct{ answer, cancel, want time.Duration }{
		{answer: 3 * time.Second, cancel: time.Second, want: 3 * time.Second},
		{answer: 10 * time.Second, cancel: time.Second, want: time.Second + changeGrace},
	} {
		t.Run(fmt.Sprint(tt.answer), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &server{answer: func(int, sent) (*http.Response, error) {
					<-time.After(tt.answer)
					return data(`"` + upidStop + `"`), nil
				}}
				ctx, cancel := context.WithTimeout(t.Context(), tt.cancel)
				defer cancel()
				start := time.Now()
				upid, err := newTestClient(t, s).Stop(ctx, vm101)
				if took := time.Since(start); took != tt.want {
					t.Errorf("took %v, want %v", took, tt.want)
				}
				if tt.want == tt.answer && (err != nil || upid.Type != "qmstop") {
					t.Errorf("answer was lost: %v", err)
				}
				if tt.want != tt.answer && (!errors.Is(err, ErrOutcomeUnknown) || !errors.Is(err, context.Canceled)) {
					t.Errorf("err = %v", err)
				}
				<-time.After(time.Minute)
				if _, err := newTestClient(t, s).Stop(ctx, vm101); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrOutcomeUnknown) {
					t.Errorf("with an ended context: %v", err)
				}
				if n := len(s.requests()); n != 1 {
					t.Errorf("%d requests", n)
				}
			})
		})
	}
}

// TestRequestForm looks at what goes over the wire.
func TestRequestForm(t *testing.T) {
	s := inTurn(data("null"), data(`"`+upidStop+`"`), data(`"100"`))
	c := newTestClient(t, s)
	ctx := t.Context()
	key := "ssh-ed25519 AAAA+/= me@x"
	change := ConfigChange{Set: []Param{{"description", "ä + b\n{\"run\": \"x\"}"}, {"sshkeys", EncodeSSHKeys(key)}}}
	if _, _, err := c.SetVMConfig(ctx, vm101, change); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Destroy(ctx, vm101); err != nil {
		t.Fatal(err)
	}
	if _, err := c.VMIDTaken(ctx, 100); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"POST /nodes/pve/qemu/101/config description=ä + b\n{\"run\": \"x\"} sshkeys=ssh-ed25519%20AAAA%2B%2F%3D%20me%40x",
		"DELETE /nodes/pve/qemu/101 purge=1 destroy-unreferenced-disks=1",
		"GET /cluster/nextid vmid=100",
	}
	if diff := cmp.Diff(want, s.lines()); diff != "" {
		t.Error(diff)
	}
	for i, r := range s.requests() {
		if got := r.header.Get("Authorization"); got != "PVEAPIToken=lp@pve!run="+testSecret {
			t.Errorf("request %d: Authorization %q", i, got)
		}
		if r.Method == "DELETE" && r.length != 0 {
			t.Error("DELETE has a body; PVE refuses that with 501")
		}
		if r.length < 0 {
			t.Error("body has no length: it would be sent in chunks, which PVE refuses with 501")
		}
	}
}

func TestEmptyPathElement(t *testing.T) {
	s := always(200, "OK", `{"data":null}`)
	c := newTestClient(t, s)
	_, err := c.Destroy(t.Context(), VMRef{ID: 101})
	if !errors.Is(err, ErrInvalid) || len(s.requests()) != 0 {
		t.Errorf("a VM without a node: %v, %v", err, s.lines())
	}
	if _, err := c.PoolMembers(t.Context(), ""); !errors.Is(err, ErrInvalid) {
		t.Errorf("a pool without a name: %v", err)
	}
}

func TestHugeAnswer(t *testing.T) {
	s := &server{answer: func(int, sent) (*http.Response, error) {
		resp := data("null")
		resp.Body = io.NopCloser(io.LimitReader(zeros{}, maxAnswer+10))
		return resp, nil
	}}
	if _, err := newTestClient(t, s).Version(t.Context()); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Error(err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
