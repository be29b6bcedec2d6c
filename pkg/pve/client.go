package pve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Config says which server to talk to and as whom.
type Config struct {
	// URL is the server's address; without a scheme https is meant, without a port 8006.
	URL string
	// TokenID is the API token's name, "user@realm!token".
	TokenID string
	// TokenSecret is the API token's secret.
	TokenSecret Secret
	// Fingerprint is the SHA-256 fingerprint of the server's certificate, in hex
	// with colons as PVE shows it. When set, nothing else about the certificate matters.
	Fingerprint string
	// CAFile is a PEM file with the certificates to trust instead of the system's.
	CAFile string
	// RequestTimeout bounds one HTTP exchange; 0 is DefaultRequestTimeout.
	RequestTimeout time.Duration
	// PollDelay is the pause before the given poll of a task, counted from 0;
	// nil is 0.2 s growing to 1 s.
	PollDelay func(poll int) time.Duration
	// Transport replaces the network, for tests and the sandbox; Fingerprint and CAFile then mean nothing.
	Transport http.RoundTripper
	// Logger gets every call at debug level, without secrets; nil is silence.
	Logger *slog.Logger
}

// Client talks to one PVE server. It is safe for concurrent use and holds no
// resources that need closing.
type Client struct {
	do    handler
	tasks *taskWatch
	clock *clock
}

// New makes a client. It checks the configuration but does not connect.
func New(cfg Config) (*Client, error) {
	base, err := parseURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	if err := checkToken(cfg.TokenID, cfg.TokenSecret); err != nil {
		return nil, err
	}
	if cfg.Transport == nil {
		if cfg.Transport, err = newTransport(cfg); err != nil {
			return nil, err
		}
	}
	if cfg.RequestTimeout <= 0 {
		cfg.RequestTimeout = DefaultRequestTimeout
	}
	learns := cfg.PollDelay == nil
	if learns {
		cfg.PollDelay = defaultPollDelay
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Client{clock: &clock{}}
	c.do = newChain(cfg, base, c.clock)
	c.tasks = newTaskWatch(c, cfg.PollDelay, learns)
	return c, nil
}

// parseURL makes https://host:port of what the user wrote.
func parseURL(s string) (*url.URL, error) {
	if s == "" {
		return nil, errors.New("pve.url is not set: give the server's address, such as https://pve.example:8006")
	}
	if !strings.Contains(s, "://") {
		s = "https://" + s
	}
	u, err := url.Parse(s)
	if err != nil {
		return nil, fmt.Errorf("pve.url: %w", err)
	}
	if u.Scheme != "https" {
		return nil, fmt.Errorf("pve.url %s: PVE speaks https only", u.Redacted())
	}
	if u.Hostname() == "" || u.User != nil {
		return nil, errors.New("pve.url: give a host, such as https://pve.example:8006, and no user in it")
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), "8006")
	}
	path := strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), "/api2/json")
	return &url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimSuffix(path, "/")}, nil
}

func checkToken(id string, secret Secret) error {
	user, token, ok := strings.Cut(id, "!")
	if !ok || !strings.Contains(user, "@") || token == "" || strings.ContainsAny(id, " \t\r\n=") {
		// Not shown: people paste the secret here.
		return errors.New("pve.token_id: want user@realm!token, such as labctl@pve!run, and the secret apart from it")
	}
	if secret == "" || strings.ContainsAny(string(secret), " \t\r\n") {
		return errors.New("pve.token_secret: want the secret that PVE showed when the token was made, without blanks or line ends")
	}
	return nil
}

// send passes one call through the chain and decodes its data into out, which
// may be nil.
func (c *Client) send(ctx context.Context, call call, out any) error {
	_, err := c.exchange(ctx, call, out)
	return err
}

// exchange is send for those who also look at the answer itself.
func (c *Client) exchange(ctx context.Context, call call, out any) (answer, error) {
	if strings.Contains(call.path, "//") || strings.HasSuffix(call.path, "/") {
		return answer{}, fmt.Errorf("%s %s: an element of the path is empty: %w", call.method, call.path, ErrInvalid)
	}
	a, err := c.do(ctx, call)
	if err != nil {
		return a, err
	}
	envelope := struct {
		Data any `json:"data"`
	}{out}
	if err := json.Unmarshal(a.body, &envelope); err != nil {
		e := &Error{
			Method: call.method, Path: call.path, Status: a.status, Reason: a.reason,
			Message: fmt.Sprintf("answer is not what Proxmox VE would say: %v", err), cause: err,
		}
		if !call.readOnly {
			e.kinds = []error{ErrOutcomeUnknown} // it was accepted, and its task ID is lost
		}
		return a, e
	}
	return a, nil
}

// get reads one resource of the API into out.
func (c *Client) get(ctx context.Context, path string, out any, params ...Param) error {
	return c.send(ctx, call{method: http.MethodGet, path: path, params: params, readOnly: true}, out)
}

// change sends a change that PVE does in a task and returns the task. The zero
// UPID means that PVE answered without one.
func (c *Client) change(ctx context.Context, method, path string, params ...Param) (UPID, error) {
	var text wireText
	if err := c.send(ctx, call{method: method, path: path, params: params}, &text); err != nil {
		return UPID{}, err
	}
	if text == "" {
		return UPID{}, nil
	}
	upid, err := ParseUPID(string(text))
	if err != nil {
		return UPID{}, &Error{
			Method: method, Path: path, Status: http.StatusOK, Message: err.Error(),
			kinds: []error{ErrOutcomeUnknown}, cause: err,
		}
	}
	return upid, nil
}

// begin is change for calls that always make a task.
func (c *Client) begin(ctx context.Context, method, path string, params ...Param) (UPID, error) {
	upid, err := c.change(ctx, method, path, params...)
	if err == nil && upid.IsZero() {
		err = &Error{
			Method: method, Path: path, Status: http.StatusOK, Message: "answer has no task ID",
			kinds: []error{ErrOutcomeUnknown},
		}
	}
	return upid, err
}
