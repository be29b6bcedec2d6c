package pvesim

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// handler is the code behind one method of the API.
type handler func(*call) (any, error)

// route is one method of the API. Paths are written as in Proxmox VE's schema.
type route struct {
	method  string
	path    string
	handler handler
}

// dispatch authenticates, finds the method, checks privileges, then parameters, and runs it.
func (c *Cluster) dispatch(k *call, r *http.Request, unreadable error, path string, noted *Request) (any, error) {
	rt, inPath, known := c.route(r.Method, path)
	if err := c.authenticate(k, r, rt); err != nil {
		return nil, err
	}
	noted.Who = k.who.String()
	if unreadable != nil {
		return nil, unreadable
	}
	decoded, err := url.PathUnescape(path)
	if err != nil {
		decoded = path
	}
	if !known {
		return nil, unknownMethod(r.Method, decoded)
	}
	for name, value := range inPath {
		k.params[name] = []string{value}
	}
	noted.Params = k.params
	k.method = c.schema.methods[rt.method+" "+rt.path]
	if k.method != nil && k.method.Protected && len(r.URL.RequestURI()) > maxHead {
		return nil, c.tooLong() // pvedaemon closes the connection, pveproxy tells that
	}
	instead, after := c.requestFault(k, r.Method, decoded)
	if instead != nil {
		return nil, instead
	}
	if err := c.checkRoute(k); err != nil {
		return nil, err
	}
	data, err := rt.handler(k)
	switch {
	case after != nil:
		return nil, after()
	case k.killedDuring():
		return nil, cutOff()
	}
	return data, err
}

func unknownMethod(method, path string) error {
	text := fmt.Sprintf("Method '%s %s' not implemented", method, strings.TrimSuffix(path, "/"))
	return &apiError{status: http.StatusNotImplemented, message: text}
}

// maxHead is how long the head of a request may be.
const maxHead = 8 << 10

// tooLong is what becomes of a longer one that got as far as pvedaemon.
func (c *Cluster) tooLong() error {
	return &apiError{status: 596, message: "Broken pipe", bare: true, delay: c.timings.AbortGrace}
}

// route finds the method for a path and the values of the path's parameters.
func (c *Cluster) route(method, path string) (route, map[string]string, bool) {
	for _, rt := range c.routes {
		if rt.method != method {
			continue
		}
		if values, ok := match(rt.path, path); ok {
			return rt, values, true
		}
	}
	return route{}, nil, false
}

// match compares a path with its pattern. Each part is decoded on its own, but a last {parameter} takes all the rest,
// since volume names contain slashes.
func match(pattern, path string) (map[string]string, bool) {
	wanted, got := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(got) > len(wanted) && strings.HasSuffix(pattern, "{volume}") {
		last := len(wanted) - 1
		got = append(slices.Clone(got[:last]), strings.Join(got[last:], "/"))
	}
	if len(wanted) != len(got) {
		return nil, false
	}
	values := map[string]string{}
	for i, w := range wanted {
		value, err := url.PathUnescape(got[i])
		if err != nil {
			return nil, false
		}
		name, isParameter := strings.CutPrefix(w, "{")
		switch {
		case isParameter && value != "":
			values[strings.TrimSuffix(name, "}")] = value
		case isParameter || value != w:
			return nil, false
		}
	}
	return values, true
}

// checkNode is the proxying to another node, which begins with looking up its name.
func (c *Cluster) checkNode(k *call) error {
	name := k.node()
	if name == "" || name == "localhost" {
		return nil
	}
	if n, ok := c.nodeNamed(name); ok && n.offline {
		return &apiError{status: 595, message: "No route to host", bare: true}
	} else if ok {
		return nil
	}
	return failure("hostname lookup '%[1]s' failed - failed to get address info for: %[1]s: Name or service not known", name)
}
