// Package journal is the append-only, fsynced memory of what a lab run changed on PVE: intent before
// the request leaves, UPID as soon as it is known, outcome at the end. After a crash its replay says which VMIDs
// may hold something of ours, and what was under way.
package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"labctl/pkg/internal/atomicfile"
)

// CorruptError is a journal with an unreadable line that has its end: it was damaged, not cut by a crash.
type CorruptError struct {
	Path string
	Line int
	Err  error
}

// Error names the file, the line and the remedy.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("journal %s is damaged at line %d (%v): run `labctl down`, which keeps the file and removes the lab with what can be read of it",
		e.Path, e.Line, e.Err)
}

// Unwrap returns what was wrong with the line.
func (e *CorruptError) Unwrap() error { return e.Err }

// NewerError is a journal whose record layout this labctl does not know. It is not damaged, and nothing may be read into it.
type NewerError struct {
	Path    string
	Version string // of the labctl that wrote it
	Format  int
}

// Error names the labctl that can go on.
func (e *NewerError) Error() string {
	return fmt.Sprintf("journal %s was written by a newer labctl (%s, format %d; this one knows formats up to %d): run that version, or a later one, on this lab; nothing was changed",
		e.Path, e.Version, e.Format, Format)
}

// Journal is an open journal. Its methods may be called from several goroutines.
type Journal struct {
	mu     sync.Mutex
	file   File
	path   string
	now    func() time.Time
	state  *State
	next   int
	size   int64 // of the whole lines
	broken error // why nothing can be appended any more
}

// File is what the journal does with its file.
type File interface {
	io.Writer
	Sync() error
	Truncate(size int64) error
	Seek(offset int64, whence int) (int64, error)
	Close() error
}

// Read replays the journal at path without opening it for writing. A journal that does not exist is an empty state.
func Read(path string) (*State, error) {
	state, _, err := load(path)
	if err != nil {
		return nil, err
	}
	return state, nil
}

// Open opens or creates the journal at path for appending. A last line that a crash cut off is dropped: what it
// would have announced was never sent.
func Open(path string) (*Journal, error) {
	return OpenThrough(path, func(file File) File { return file })
}

// OpenThrough is Open with every access to the file going through what wrap makes of it, such as a disk that fills up.
func OpenThrough(path string, wrap func(File) File) (*Journal, error) {
	state, size, err := load(path)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("opening journal: %w", err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening journal: %w", err)
	}
	if err := prepare(file, size); err != nil {
		return nil, errors.Join(fmt.Errorf("opening journal %s: %w", path, err), file.Close())
	}
	return &Journal{file: wrap(file), path: path, now: time.Now, state: state, next: state.lastSeq + 1, size: size}, nil
}

// prepare cuts the file at its last whole line and makes its name durable.
func prepare(file *os.File, size int64) error {
	if err := file.Truncate(size); err != nil {
		return err
	}
	if _, err := file.Seek(size, 0); err != nil {
		return err
	}
	return atomicfile.SyncDir(filepath.Dir(file.Name()))
}

// contents reads a journal. Other things of that name could have no end.
func contents(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "read", Path: path, Err: errors.New("is no regular file")}
	}
	if err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

// load replays the file and returns the length of its whole lines. With a *CorruptError, for the first line that cannot be
// read, comes what the other lines say.
func load(path string) (*State, int64, error) {
	state := newState()
	data, err := contents(path)
	if errors.Is(err, fs.ErrNotExist) {
		return state, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("reading journal: %w (remove what is there: `labctl down` finds a lab without its state)", err)
	}
	var damage error
	var size int64
	for number := 1; len(data) > 0; number++ {
		line, rest, whole := bytes.Cut(data, []byte("\n"))
		if !whole {
			break // cut off by a crash
		}
		var entry Entry
		err := json.Unmarshal(line, &entry)
		if err == nil {
			err = state.apply(entry)
		}
		var newer *NewerError
		if errors.As(err, &newer) {
			newer.Path = path
			return nil, 0, newer
		}
		if err != nil {
			state.lose()
			if damage == nil {
				damage = &CorruptError{Path: path, Line: number, Err: err}
			}
		}
		size += int64(len(line)) + 1
		data = rest
	}
	return state, size, damage
}

// Begin opens a lab run.
func (j *Journal) Begin(begin Begin) error {
	begin.Format = Format
	_, err := j.append(Entry{Begin: &begin})
	return err
}

// Intend records what is about to be sent and returns the number that Started and Finished refer to. When it
// fails, nothing may be sent.
func (j *Journal) Intend(intent Intent) (int, error) { return j.append(Entry{Intent: &intent}) }

// Started records the task that PVE began for an intent.
func (j *Journal) Started(intent int, upid string) error {
	_, err := j.append(Entry{Task: &Task{Intent: intent, UPID: upid}})
	return err
}

// Finished records how an intent ended; err may be nil.
func (j *Journal) Finished(intent int, result Result, err error) error {
	outcome := Outcome{Intent: intent, Result: result}
	if err != nil {
		outcome.Error = err.Error()
	}
	_, appendErr := j.append(Entry{Outcome: &outcome})
	return appendErr
}

// List records that the server's task list names a VMID.
func (j *Journal) List(listed Listed) error {
	_, err := j.append(Entry{Listed: &listed})
	return err
}

// See records the identity of a VM of the run, as its configuration was read.
func (j *Journal) See(seen Seen) error {
	_, err := j.append(Entry{Seen: &seen})
	return err
}

// Learn records facts of a target.
func (j *Journal) Learn(target string, values map[string]string) error {
	_, err := j.append(Entry{Facts: &Facts{Target: target, Values: values}})
	return err
}

// Detach records that a command may run on a target from now on.
func (j *Journal) Detach(target, id string) error {
	_, err := j.append(Entry{Detach: &Detach{Target: target, ID: id}})
	return err
}

// Attached records that a detached command has ended and left nothing.
func (j *Journal) Attached(id string) error {
	_, err := j.append(Entry{Attach: &Attach{ID: id}})
	return err
}

// End closes the lab run.
func (j *Journal) End() error {
	run := ""
	if state := j.State(); state.Run != nil {
		run = state.Run.RunID
	}
	_, err := j.append(Entry{End: &End{RunID: run}})
	return err
}

// State is the replay of everything recorded so far. The caller may keep it: it is a copy.
func (j *Journal) State() *State {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.state.clone()
}

// Close closes the file.
func (j *Journal) Close() error { return j.file.Close() }

func (j *Journal) append(entry Entry) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	entry.Seq, entry.Time = j.next, j.now().UTC()
	line, err := json.Marshal(entry)
	if err != nil {
		return 0, fmt.Errorf("writing journal: %w", err)
	}
	if j.broken != nil {
		return 0, j.broken
	}
	line = append(line, '\n')
	j.next++ // also when it fails: the line may be on disk, and its number must not get another meaning
	_, err = j.file.Write(line)
	if err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		return 0, j.takeBack(err)
	}
	j.size += int64(len(line))
	return entry.Seq, j.state.apply(entry)
}

// takeBack cuts off what a failed append may have left, so that the next one does not continue half a line. A journal for
// which that fails takes nothing more.
func (j *Journal) takeBack(failure error) error {
	failure = j.writeError(failure)
	err := j.file.Truncate(j.size)
	if err == nil {
		_, err = j.file.Seek(j.size, io.SeekStart)
	}
	if err != nil {
		j.broken = errors.Join(failure, fmt.Errorf("and it could not be repaired: %w", err))
		return j.broken
	}
	return failure
}

func (j *Journal) writeError(err error) error {
	return fmt.Errorf("writing journal %s: %w (nothing more is changed on PVE without a journal; free space or fix the permissions of the state directory)", j.path, err)
}
