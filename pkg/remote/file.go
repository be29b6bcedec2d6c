package remote

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
)

// writeScript reads the content from stdin. A lost connection looks like the
// end of the input to cat, so the size decides whether the file is complete;
// only then does mv put it in place, which readers see as one step.
const writeScript = `set -eu
path=$1 mode=$2 size=$3
new=$(mktemp "$path.XXXXXX")
trap 'rm -f "$new"' EXIT
cat >"$new"
[ "$(wc -c <"$new")" -eq "$size" ] || { echo "content was cut off" >&2; exit 1; }
chmod "$mode" "$new"
mv -f "$new" "$path"
trap - EXIT`

// exitNoInput is sysexits' EX_NOINPUT; cat itself has only one exit code for everything.
const exitNoInput = 66

const readScript = `[ -e "$1" ] || exit 66
exec cat "$1"`

// WriteFile writes a file on the target: as a whole or not at all. The folder
// must exist. Relative paths start at the user's home.
func (h *Host) WriteFile(ctx context.Context, path string, mode fs.FileMode, content []byte) error {
	args := []string{"sh", "-c", writeScript, "labctl", atHome(path), fmt.Sprintf("%o", mode.Perm()), strconv.Itoa(len(content))}
	if _, err := h.Run(ctx, Command{Argv: args, Stdin: content}); err != nil {
		return fmt.Errorf("writing %s: %w", path, named(err, "write "+path))
	}
	return nil
}

// ReadFile reads a file on the target; one that is missing is [fs.ErrNotExist].
func (h *Host) ReadFile(ctx context.Context, path string) ([]byte, error) {
	out, err := h.Run(ctx, Command{Argv: []string{"sh", "-c", readScript, "labctl", atHome(path)}})
	var exit *ExitError
	switch {
	case errors.As(err, &exit) && exit.Code == exitNoInput:
		return nil, fmt.Errorf("%s: %w", h.target.Name, &fs.PathError{Op: "read", Path: path, Err: fs.ErrNotExist})
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", path, named(err, "read "+path))
	}
	return out.Stdout, nil
}

// atHome keeps a relative path from being taken for an option.
func atHome(path string) string {
	if path != "" && path[0] == '/' {
		return path
	}
	return "./" + path
}

// named puts a readable name in place of the script that did the work.
func named(err error, name string) error {
	var exit *ExitError
	if errors.As(err, &exit) {
		exit.Command = name
	}
	var lost *ConnectionLostError
	if errors.As(err, &lost) {
		lost.Command = name
	}
	return err
}
