package pve

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// TestAhead: the clocks are compared at the last answer that has a date, whatever it says otherwise, and that costs no request.
func TestAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dates := []string{"", "nonsense", "Fri, 31 Dec 1999 23:00:00 GMT", "", "Sat, 01 Jan 2000 00:10:00 GMT"} // it is midnight
		s := &server{answer: func(n int, _ sent) (*http.Response, error) {
			resp := reply(403, "Permission check failed", "")
			resp.Header = http.Header{"Date": {dates[n]}}
			return resp, nil
		}}
		client := newTestClient(t, s)
		if _, known := client.Ahead(); known {
			t.Error("known before any answer")
		}
		want := []struct {
			ahead time.Duration
			known bool
		}{{0, false}, {0, false}, {time.Hour, true}, {time.Hour, true}, {-10 * time.Minute, true}}
		for i, w := range want {
			if _, err := client.Nodes(t.Context()); err == nil {
				t.Fatal("no error")
			}
			if ahead, known := client.Ahead(); ahead != w.ahead || known != w.known {
				t.Errorf("answer %d: %s, %v", i+1, ahead, known)
			}
		}
	})
}
