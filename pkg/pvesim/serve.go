package pvesim

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"
)

// idleTimeout is how long pveproxy keeps a connection on which nothing happens.
const idleTimeout = 5 * time.Second

// ServeHTTP implements http.Handler. It takes over the connection in order to send PVE's own reason in the status
// line, which net/http cannot; where that is impossible the reason is lost, as behind a reverse proxy.
func (c *Cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a, err := c.handle(r.Context(), r)
	if err != nil {
		panic(http.ErrAbortHandler) // net/http's way to close the connection without an answer
	}
	if a.status == http.StatusOK && !a.close {
		w.Header()["Content-Type"] = []string{a.kind}
		w.Header().Set("Server", "pve-api-daemon/3.0")
		w.Header().Set("Date", c.date())
		_, _ = w.Write(a.body)
		return
	}
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		w.Header()["Content-Type"] = []string{a.kind}
		w.WriteHeader(a.status)
		_, _ = w.Write(a.body)
		return
	}
	connection, buffer, err := hijacker.Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer connection.Close()
	_, _ = buffer.WriteString(a.head(c.date()))
	_, _ = buffer.Write(a.body)
	_ = buffer.Flush()
	drain(connection)
}

// drain reads what the client had already sent, so that closing does not reset the connection under its nose.
func drain(connection net.Conn) {
	if half, ok := connection.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	_ = connection.SetReadDeadline(time.Now().Add(time.Second))
	_, _ = io.Copy(io.Discard, io.LimitReader(connection, 1<<20))
}

// head is the status line and the headers of an answer after which the connection ends.
func (a answer) head(date string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\nConnection: close\r\nServer: pve-api-daemon/3.0\r\n", a.status, a.reason)
	fmt.Fprintf(&b, "Date: %s\r\nContent-Length: %d\r\n", date, len(a.body))
	if a.kind != "" {
		fmt.Fprintf(&b, "Content-Type: %s\r\n", a.kind)
	}
	return b.String() + "\r\n"
}

// Serve answers on a listener as pveproxy does (TLS 1.2 or newer, HTTP/1.1 only, idle connections end after five
// seconds), and lets simulated time pass, until ctx ends.
func (c *Cluster) Serve(ctx context.Context, listener net.Listener, certificate tls.Certificate) error {
	c.SetFingerprint(Fingerprint(certificate))
	running, stop := context.WithCancel(ctx)
	defer stop()
	server := &http.Server{
		Handler: c, IdleTimeout: idleTimeout, ReadHeaderTimeout: 30 * time.Second, MaxHeaderBytes: 8 << 10,
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}, // no HTTP/2
		ErrorLog:     slog.NewLogLogger(c.logger.Handler(), slog.LevelDebug), BaseContext: func(net.Listener) context.Context { return running },
	}
	settings := &tls.Config{
		Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
	}
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		c.Run(running)
	}()
	closed := context.AfterFunc(running, func() { _ = server.Close() })
	defer closed()
	err := server.Serve(tls.NewListener(listener, settings))
	stop()
	<-finished
	if errors.Is(err, http.ErrServerClosed) && ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("serving the simulated cluster: %w", err)
}

// Fingerprint is the SHA-256 fingerprint of a certificate as Proxmox prints it: upper case, with colons.
func Fingerprint(certificate tls.Certificate) string {
	if len(certificate.Certificate) == 0 {
		return ""
	}
	sum := sha256.Sum256(certificate.Certificate[0])
	return strings.ReplaceAll(fmt.Sprintf("% X", sum), " ", ":")
}

// SetFingerprint sets the certificate fingerprint that GET /nodes shows.
func (c *Cluster) SetFingerprint(fingerprint string) {
	c.enter()
	defer c.unlock()
	for _, n := range c.nodes {
		n.fingerprint = fingerprint
	}
}
