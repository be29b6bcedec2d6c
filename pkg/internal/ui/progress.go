package ui

import (
	"fmt"
	"io"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"labctl/pkg/internal/visible"
)

// refresh is how often the live line is redrawn.
const refresh = 200 * time.Millisecond

// silence is how long nothing is written without a terminal while something is under way.
const silence = time.Minute

// Progress prints finished things as lines and, on a terminal, what is under way as a last line that is redrawn. Without a
// terminal what is under way is a line of its own whenever nothing was written for a minute. Its methods may be called from
// several goroutines.
type Progress struct {
	mu     sync.Mutex
	out    io.Writer
	live   bool
	quiet  bool
	begun  time.Time
	wrote  time.Time // the last line
	status func(elapsed time.Duration) string
	since  time.Time
	drawn  bool
	stop   chan struct{}
	done   sync.WaitGroup
}

// NewProgress starts progress on the talk stream. Quiet drops everything.
func NewProgress(streams IO, quiet bool) *Progress {
	out := streams.Err
	if filter, ok := out.(*visible.Writer); ok {
		out = filter.Raw() // the cursor movements of the live line are ours; its texts are filtered where they are written
	}
	p := &Progress{out: out, live: streams.ErrIsTerminal && !quiet, quiet: quiet, begun: time.Now(), wrote: time.Now(), stop: make(chan struct{})}
	switch {
	case p.live:
		p.done.Go(func() { p.every(refresh, p.redraw) })
	case !quiet:
		p.done.Go(func() { p.every(silence/10, p.remind) })
	}
	return p
}

// Line prints a line that stays, after the time since the start.
func (p *Progress) Line(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.quiet {
		return
	}
	p.erase()
	p.write(fmt.Sprintf(format, args...))
	p.draw()
}

// write writes a line that stays.
func (p *Progress) write(text string) {
	p.wrote = time.Now()
	fmt.Fprintf(p.out, "%7.1fs  %s\n", time.Since(p.begun).Seconds(), visible.Text(text))
}

// Status sets what is under way; the function gets the time since this call. Nil means nothing.
func (p *Progress) Status(status func(elapsed time.Duration) string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status, p.since = status, time.Now()
	p.erase()
	p.draw()
}

// Close ends the progress and erases the live line.
func (p *Progress) Close() {
	p.mu.Lock()
	stopped := p.stop == nil
	if !stopped {
		close(p.stop)
		p.stop = nil
	}
	p.erase()
	p.status = nil
	p.mu.Unlock()
	p.done.Wait()
}

// every calls a function again and again, with the lock held, until Close.
func (p *Progress) every(period time.Duration, do func()) {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	p.mu.Lock()
	stop := p.stop
	p.mu.Unlock()
	for stop != nil {
		select {
		case <-stop:
			return
		case <-ticker.C:
			p.mu.Lock()
			do()
			p.mu.Unlock()
		}
	}
}

func (p *Progress) redraw() {
	p.erase()
	p.draw()
}

// remind writes what is under way when nothing was written for long.
func (p *Progress) remind() {
	if p.status != nil && time.Since(p.wrote) >= silence && time.Since(p.since) >= silence/2 {
		p.write(p.status(time.Since(p.since)))
	}
}

// draw writes the live line, cut to the terminal's width.
func (p *Progress) draw() {
	if !p.live || p.status == nil {
		return
	}
	text := cut(visible.Line(p.status(time.Since(p.since))), p.width()-10)
	fmt.Fprintf(p.out, "%7.1fs  %s", time.Since(p.begun).Seconds(), text)
	p.drawn = true
}

func (p *Progress) erase() {
	if p.drawn {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.drawn = false
	}
}

func (p *Progress) width() int {
	const fallback = 80
	file, ok := p.out.(interface{ Fd() uintptr })
	if !ok {
		return fallback
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil || width < 20 {
		return fallback
	}
	return width
}

// cut shortens text to a number of characters.
func cut(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	runes := []rune(text)
	return string(runes[:max(0, width-1)]) + "…"
}
