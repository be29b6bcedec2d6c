// Package mempipe is a network connection inside one process, for tests. Unlike
// net.Pipe it buffers, so two ends that both write first (as SSH does) do not
// block each other; and it waits only on sync.Cond, so it stands still in a
// testing/synctest bubble, where sockets would not.
package mempipe

import (
	"bytes"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// Pipe returns the two ends of a connection. Writes never block. Deadlines are
// not supported.
func Pipe() (net.Conn, net.Conn) {
	there, back := newStream(), newStream()
	return &end{read: back, write: there}, &end{read: there, write: back}
}

// stream is one direction.
type stream struct {
	mu     sync.Mutex
	filled *sync.Cond
	buffer bytes.Buffer
	closed bool
}

func newStream() *stream {
	s := new(stream)
	s.filled = sync.NewCond(&s.mu)
	return s
}

func (s *stream) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.filled.Broadcast()
}

type end struct {
	read, write *stream
}

// Read waits for data or for either end's Close.
func (e *end) Read(p []byte) (int, error) {
	s := e.read
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.buffer.Len() == 0 && !s.closed {
		s.filled.Wait()
	}
	return s.buffer.Read(p) // io.EOF when empty, hence closed
}

// Write buffers p.
func (e *end) Write(p []byte) (int, error) {
	s := e.write
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, io.ErrClosedPipe
	}
	defer s.filled.Broadcast()
	return s.buffer.Write(p)
}

// Close ends both directions; what was written can still be read by the other end.
func (e *end) Close() error {
	e.read.close()
	e.write.close()
	return nil
}

// LocalAddr is the same for every pipe.
func (*end) LocalAddr() net.Addr { return address{} }

// RemoteAddr is the same for every pipe.
func (*end) RemoteAddr() net.Addr { return address{} }

// SetDeadline is not supported.
func (*end) SetDeadline(time.Time) error { return os.ErrNoDeadline }

// SetReadDeadline is not supported.
func (*end) SetReadDeadline(time.Time) error { return os.ErrNoDeadline }

// SetWriteDeadline is not supported.
func (*end) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }

// address looks like host:port because known_hosts checks want to parse it.
type address struct{}

// Network names this kind of connection.
func (address) Network() string { return "mempipe" }

// String is an address of nothing.
func (address) String() string { return "127.0.0.1:0" }
