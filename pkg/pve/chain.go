package pve

import (
	"context"
	"net/url"
	"strings"
	"time"
)

// call is one call of the API, before any HTTP.
type call struct {
	method string
	// path is below /api2/json, its elements escaped.
	path   string
	params []Param
	// readOnly calls change nothing and may be repeated: GET, and the agent's POST ping.
	readOnly bool
	// file goes behind the parameters, in a multipart body; nil for all calls but uploads.
	file *File
	// authorization is the header's value; only the auth handler sets it.
	authorization string
}

// answer is what came back, whatever its status.
type answer struct {
	status int
	reason string
	body   []byte
	date   time.Time // by the server's clock; zero when it did not say
}

// handler does one job on a call's way out and its answer's way back, and
// leaves the rest to the next. An error has its final class when it leaves the
// classify handler; above that nobody looks at statuses.
type handler func(ctx context.Context, c call) (answer, error)

// newChain puts the handlers together. The order is important:
//
//   - retry is outermost, so that each try is logged and timed for itself;
//   - linger is outside timeout, so that a change in flight keeps its time limit;
//   - classify is inside log, so that logs show what callers see;
//   - auth is next to send, so that nobody else ever holds the secret.
func newChain(cfg Config, base *url.URL, clock *clock) handler {
	h := sendHandler(cfg.Transport, base)
	h = clockHandler(h, clock)
	h = authHandler(h, cfg.TokenID, cfg.TokenSecret)
	h = timeoutHandler(h, cfg.RequestTimeout)
	h = lingerHandler(h)
	h = classifyHandler(h, base.String(), cfg.TokenID)
	h = logHandler(h, cfg.Logger)
	return retryHandler(h)
}

// Param is one parameter of a call. A key may occur more than once.
type Param struct{ Key, Value string }

// encode writes parameters for a query or a form. Blanks become %20, which
// every part of PVE reads alike, and not "+".
func encode(params []Param) string {
	var b strings.Builder
	for i, p := range params {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(escape(p.Key) + "=" + escape(p.Value))
	}
	return b.String()
}

// escape percent-encodes everything but letters, digits and "-._~".
func escape(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}

// optional appends a parameter unless its value is empty.
func optional(params []Param, key, value string) []Param {
	if value == "" {
		return params
	}
	return append(params, Param{Key: key, Value: value})
}
