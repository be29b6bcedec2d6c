package pvesim

import (
	"net/http"
	"slices"
	"time"
)

// Request is one request as it came in, with the answer's status.
type Request struct {
	Time   time.Time
	Method string
	Path   string // decoded, with /api2/json
	Query  string
	Params map[string][]string // those of path, query and body; nil when the request did not get that far
	Who    string              // user or token; empty when not authenticated
	Status int                 // 0: no answer was sent
	Reason string
	Agent  string // User-Agent
}

// maxRequests is how many requests are remembered at least; twice as many at most.
const maxRequests = 50_000

// record notes a request; what becomes of it is filled in later.
func (c *Cluster) record(r *http.Request) *Request {
	if len(c.requests) >= 2*maxRequests {
		c.requests = slices.Clone(c.requests[maxRequests:])
	}
	noted := &Request{Time: c.clock, Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Agent: r.UserAgent()}
	c.requests = append(c.requests, noted)
	return noted
}

// Requests returns the requests so far, oldest first; of very many only the last ones.
func (c *Cluster) Requests() []Request {
	c.enter()
	defer c.unlock()
	list := make([]Request, len(c.requests))
	for i, r := range c.requests {
		list[i] = *r
	}
	return list
}
