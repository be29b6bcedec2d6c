package pvesim

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// maxBody is the largest body that is not an upload.
const maxBody = 512 << 10

// errDropped says that the connection ends without an answer.
var errDropped = errors.New("connection closed")

// handle answers one request.
func (c *Cluster) handle(ctx context.Context, r *http.Request) (answer, error) {
	in := c.readRequest(r) // before locking: a slow client must not hold up the others
	c.enter()
	defer c.unlock()
	noted := c.record(r)
	a := c.answer(ctx, r, in, noted)
	if a.delay > 0 {
		if err := c.pass(ctx, a.delay); err != nil {
			return answer{}, err
		}
	}
	if ctx.Err() != nil {
		return answer{}, context.Cause(ctx)
	}
	noted.Status, noted.Reason = a.status, a.reason
	if a.drop {
		return answer{}, errDropped
	}
	return a, nil
}

// pass lets time go by.
func (c *Cluster) pass(ctx context.Context, d time.Duration) error {
	_, err := c.await(ctx, d, func() bool { return false })
	return err
}

// answer finds the part of the server that is responsible, in pveproxy's order of checks.
func (c *Cluster) answer(ctx context.Context, r *http.Request, in incoming, noted *Request) answer {
	switch r.Method {
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete:
	default:
		return textAnswer(http.StatusNotImplemented, fmt.Sprintf("method '%s' not available", r.Method), "")
	}
	if headerLines(r) > maxHeaderLines {
		return answer{drop: true}
	}
	if len(r.TransferEncoding) > 0 {
		return textAnswer(http.StatusNotImplemented, "chunked transfer encoding not supported", "")
	}
	rest, isAPI := strings.CutPrefix(r.URL.EscapedPath(), "/api2/")
	if !isAPI {
		return c.page(r)
	}
	format, path, _ := strings.Cut(rest, "/")
	if format != "json" && format != "extjs" {
		text := fmt.Sprintf("no formatter for uri /%s, %s", path, format)
		if path == "" {
			text = "no formatter for uri /, " + format
		}
		return textAnswer(http.StatusNotImplemented, text, text)
	}
	k := &call{Cluster: c, ctx: ctx, params: in.params, upload: in.upload}
	data, err := c.dispatch(k, r, in.err, "/"+strings.TrimSuffix(path, "/"), noted)
	if err != nil {
		var early *earlyError
		if errors.As(err, &early) {
			return early.answer
		}
	}
	a := encode(format, data, err)
	a.close = a.close || k.method != nil && k.method.Protected // the answers of pvedaemon end the connection
	return a
}

// earlyError is an answer that does not have the API's form.
type earlyError struct{ answer answer }

// Error implements error.
func (e *earlyError) Error() string { return e.answer.reason }

// maxHeaderLines is how many header lines pveproxy takes; with more it closes the connection.
const maxHeaderLines = 64

func headerLines(r *http.Request) int {
	lines := 1 // Host
	for _, values := range r.Header {
		lines += len(values)
	}
	return lines
}
