package remote

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// ProxyError is a proxy's refusal to connect to an address.
type ProxyError struct {
	// Proxy is where the proxy listens, Address what it should have reached.
	Proxy, Address string
	// Status is the proxy's status line without the protocol, Text what it said besides.
	Status, Text string
}

// Error shows what the proxy said.
func (e *ProxyError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("proxy %s cannot reach %s: %s %s", e.Proxy, e.Address, e.Status, e.Text))
}

// ProxyDialer reaches every address through the HTTP proxy at proxyAddr
// (host:port), by the CONNECT method. A refusal is a *[ProxyError].
func ProxyDialer(proxyAddr string) Dialer { return proxyDialer(proxyAddr) }

type proxyDialer string

// DialContext asks the proxy for a tunnel to address.
func (p proxyDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, string(p))
	if err != nil {
		return nil, fmt.Errorf("dialing proxy: %w", err)
	}
	release := context.AfterFunc(ctx, func() { _ = conn.Close() })
	tunnel, err := p.open(conn, address)
	if !release() {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close() // useless from here on
		return nil, err
	}
	return tunnel, nil
}

// open turns conn into a tunnel to address.
func (p proxyDialer) open(conn net.Conn, address string) (net.Conn, error) {
	if _, err := fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", address, address); err != nil {
		return nil, fmt.Errorf("asking proxy %s: %w", string(p), err)
	}
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return nil, fmt.Errorf("reading answer of proxy %s: %w", string(p), err)
	}
	if response.StatusCode == http.StatusOK {
		// sshd speaks first: its first bytes may already be in the reader.
		return &tunnel{Conn: conn, reader: reader}, nil
	}
	const enough = 1 << 10
	text, err := io.ReadAll(io.LimitReader(response.Body, enough))
	refusal := &ProxyError{Proxy: string(p), Address: address, Status: response.Status, Text: strings.TrimSpace(string(text))}
	return nil, errors.Join(refusal, err, response.Body.Close())
}

// tunnel is a connection whose first bytes were read ahead.
type tunnel struct {
	net.Conn
	reader *bufio.Reader
}

// Read reads what was read ahead first.
func (t *tunnel) Read(p []byte) (int, error) { return t.reader.Read(p) }
