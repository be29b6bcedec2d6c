package filelock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// Queue lets processes through one at a time, in the order in which they came. Each has a ticket: a file with a number, locked while
// its process waits or is inside. A process sleeps on the lock of the ticket before its own, so that one is woken when one leaves. Dir
// is the queue's own.
type Queue struct {
	Dir string

	drawn func() // told of each ticket, by tests
}

// door is the file whose lock is held while a ticket is drawn.
const door = "door"

// Enter waits for the turn of this call, or until ctx ends. Whoever entered leaves.
func (q Queue) Enter(ctx context.Context) (leave func(), err error) {
	number, ticket, err := q.draw(ctx)
	if err != nil {
		return nil, fmt.Errorf("queueing: %w", err)
	}
	leave = func() {
		_ = os.Remove(ticket.Name()) // one that stays is removed by the next
		_ = ticket.Close()           // loses nothing
	}
	if err := q.awaitTurn(ctx, number); err != nil {
		leave()
		return nil, err
	}
	return leave, nil
}

// draw makes and locks a ticket with the next number.
func (q Queue) draw(ctx context.Context) (int, *os.File, error) {
	guard, err := open(filepath.Join(q.Dir, door))
	if err != nil {
		return 0, nil, err
	}
	if err := await(ctx, guard); err != nil {
		return 0, nil, err
	}
	defer func() { _ = guard.Close() }()
	numbers, err := q.tickets()
	if err != nil {
		return 0, nil, err
	}
	number := 1
	for _, other := range numbers {
		number = max(number, other+1)
	}
	ticket, err := os.OpenFile(q.path(number), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return 0, nil, err
	}
	if err := unix.Flock(int(ticket.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil { // nobody else knows the number
		return 0, nil, errors.Join(err, ticket.Close())
	}
	if q.drawn != nil {
		q.drawn()
	}
	return number, ticket, nil
}

// awaitTurn waits for every lower ticket, the nearest first. A ticket whose lock comes free is one that has left, or whose process
// died or gave up: those before it may still be there.
func (q Queue) awaitTurn(ctx context.Context, number int) error {
	for {
		numbers, err := q.tickets()
		if err != nil {
			return err
		}
		before := 0
		for _, other := range numbers {
			if other < number {
				before = max(before, other)
			}
		}
		if before == 0 {
			return nil
		}
		if err := q.awaitTicket(ctx, q.path(before)); err != nil {
			return err
		}
	}
}

func (q Queue) awaitTicket(ctx context.Context, path string) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := await(ctx, file); err != nil {
		return err
	}
	_ = os.Remove(path) // of a process that died
	return file.Close()
}

// tickets are the numbers in the queue.
func (q Queue) tickets() ([]int, error) {
	entries, err := os.ReadDir(q.Dir)
	if err != nil {
		return nil, err
	}
	var numbers []int
	for _, entry := range entries {
		if number, err := strconv.Atoi(entry.Name()); err == nil && number > 0 {
			numbers = append(numbers, number)
		}
	}
	return numbers, nil
}

func (q Queue) path(number int) string { return filepath.Join(q.Dir, strconv.Itoa(number)) }
