package pvesim

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
)

// Transport returns a RoundTripper that hands requests to the cluster without any socket. It works inside a
// testing/synctest bubble. Whatever host a request names, this cluster answers.
func (c *Cluster) Transport() http.RoundTripper { return roundTripper{cluster: c} }

// RootTransport is Transport for root at a node's console, which needs no password: what pvesh and pveum do there.
func (c *Cluster) RootTransport() http.RoundTripper { return roundTripper{cluster: c, console: true} }

type roundTripper struct {
	cluster *Cluster
	console bool
}

// consoleKey marks the context of a request that root makes at the console.
type consoleKey struct{}

// RoundTrip implements http.RoundTripper.
func (t roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	if r.Context().Err() != nil {
		return nil, context.Cause(r.Context()) // given up before anything was sent
	}
	ctx := r.Context()
	if t.console {
		ctx = context.WithValue(ctx, consoleKey{}, true)
	}
	a, err := t.cluster.handle(ctx, r)
	if errors.Is(err, errDropped) {
		return nil, io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	header := http.Header{"Content-Length": {strconv.Itoa(len(a.body))}, "Server": {"pve-api-daemon/3.0"}, "Date": {t.cluster.date()}}
	if a.kind != "" {
		header.Set("Content-Type", a.kind)
	}
	return &http.Response{
		Status: strconv.Itoa(a.status) + " " + a.reason, StatusCode: a.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(bytes.NewReader(a.body)), ContentLength: int64(len(a.body)), Request: r,
		Close: a.close,
	}, nil
}
