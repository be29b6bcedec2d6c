package mempipe

import (
	"errors"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

func TestBothEndsMayWriteFirst(t *testing.T) {
	a, b := Pipe()
	for _, conn := range []io.Writer{a, b} {
		if _, err := io.WriteString(conn, "SSH-2.0"); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(b)
	if err != nil || string(got) != "SSH-2.0" {
		t.Errorf("after the other end's Close: read %q, %v; want what was written before", got, err)
	}
	if _, err := b.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("write to a closed pipe: %v", err)
	}
	if err := b.SetDeadline(time.Now()); !errors.Is(err, os.ErrNoDeadline) {
		t.Errorf("SetDeadline: %v", err)
	}
}

func TestReadingStandsStillInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		timer := time.AfterFunc(time.Hour, func() { _ = a.Close() })
		defer timer.Stop()
		start := time.Now()
		if _, err := b.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("read: %v, want EOF", err)
		}
		if waited := time.Since(start); waited != time.Hour {
			t.Errorf("waited %v of the bubble's time, want 1h", waited)
		}
	})
}
