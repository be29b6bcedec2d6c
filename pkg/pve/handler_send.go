package pve

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxAnswer bounds an answer's body in bytes. The largest we ask for is a file
// read through the guest agent, at most 16 MiB, twice that in UTF-8.
const maxAnswer = 64 << 20

// sendHandler is the end of the chain: HTTP. Parameters of a change go into the
// body with its length (PVE refuses chunked bodies with 501), those of GET and
// DELETE into the query (a DELETE with a body is 501 too). Redirects are not
// followed: they would carry the token elsewhere.
func sendHandler(transport http.RoundTripper, base *url.URL) handler {
	return func(ctx context.Context, c call) (answer, error) {
		req, err := newRequest(ctx, base, c)
		if err != nil {
			return answer{}, fmt.Errorf("preparing %s %s: %w", c.method, c.path, err)
		}
		resp, err := transport.RoundTrip(req)
		if err != nil {
			return answer{}, err
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
		if err != nil {
			return answer{}, fmt.Errorf("reading answer: %w", err)
		}
		if len(body) > maxAnswer {
			return answer{}, fmt.Errorf("answer is longer than %d bytes", maxAnswer)
		}
		return answer{status: resp.StatusCode, reason: reasonOf(resp), body: body, date: dateOf(resp)}, nil
	}
}

func newRequest(ctx context.Context, base *url.URL, c call) (*http.Request, error) {
	target := base.String() + "/api2/json" + c.path
	if c.file != nil {
		return newUploadRequest(ctx, target, c)
	}
	var body io.Reader
	if params := encode(c.params); params != "" {
		if c.method == http.MethodGet || c.method == http.MethodDelete {
			target += "?" + params
		} else {
			body = strings.NewReader(params)
		}
	}
	req, err := http.NewRequestWithContext(ctx, c.method, target, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	setHeaders(req, c)
	return req, nil
}

func setHeaders(req *http.Request, c call) {
	req.Header.Set("User-Agent", "labctl")
	if c.authorization != "" {
		req.Header.Set("Authorization", c.authorization)
	}
}

// reasonOf returns the status line's text without the number: PVE puts the
// cause there, and for some errors nowhere else.
func reasonOf(resp *http.Response) string {
	_, reason, _ := strings.Cut(resp.Status, " ")
	return strings.TrimSpace(reason)
}

// dateOf returns when the server answered by its own clock, to the second; the zero time when it does not say.
func dateOf(resp *http.Response) time.Time {
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return date
}
