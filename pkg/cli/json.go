package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"labctl/pkg/lab/change"
	"labctl/pkg/lab/labrun"
)

// With --output json, standard output is one JSON document, also on failure. A command's document is kept until the
// command has ended, so that its error can be a part of it.

// schemaVersion is that of every JSON document but report's and compare's, which say theirs. It is raised when a field
// changes its meaning or goes away; fields may be added without notice.
const schemaVersion = 1

// writeJSON writes a value, which is a struct or a map, as the one JSON document of a command.
func writeJSON(w io.Writer, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	fields, isObject := bytes.CutPrefix(text, []byte("{"))
	if !isObject {
		return fmt.Errorf("writing JSON: %T is no object", value)
	}
	separator := ","
	if string(fields) == "}" {
		separator = "\n"
	}
	_, err = fmt.Fprintf(w, "{\n  \"schema_version\": %d%s%s\n", schemaVersion, separator, fields)
	return err
}

// failure is the JSON form of the error of a command.
type failure struct {
	Message  string     `json:"message"` // as on standard error, commands to type included
	ExitCode int        `json:"exit_code"`
	Left     []leftOver `json:"left"` // what of the lab is, or may be, still there
}

// leftOver is something of a lab that is, or may be, still on the server or on the host.
type leftOver struct {
	Text    string   `json:"text"`
	VM      string   `json:"vm,omitempty"`
	VMID    int      `json:"vmid,omitempty"`
	Node    string   `json:"node,omitempty"`
	Volumes []string `json:"volumes,omitempty"`
}

// printDocument writes the document of the command, with its error if it failed.
func (a *app) printDocument(ctx context.Context, err error) error {
	text := a.document.Bytes()
	if err == nil || len(text) > 0 && !bytes.HasSuffix(text, []byte("\n}\n")) { // of another format
		_, writeErr := a.Out.Write(text)
		return writeErr
	}
	f := failure{Message: strings.Join(a.errorLines(ctx, err), "\n"), ExitCode: exitCode(ctx, err), Left: leftOvers(err)}
	if len(text) == 0 {
		return writeJSON(a.Out, struct {
			Error failure `json:"error"`
		}{f})
	}
	part, marshalErr := json.MarshalIndent(f, "  ", "  ")
	if marshalErr != nil {
		return fmt.Errorf("writing JSON: %w", marshalErr)
	}
	_, writeErr := fmt.Fprintf(a.Out, "%s,\n  \"error\": %s\n}\n", bytes.TrimSuffix(text, []byte("\n}\n")), part)
	return writeErr
}

// leftOvers finds what an error says to be left, in all of its parts.
func leftOvers(err error) []leftOver {
	left := []leftOver{}
	switch e := err.(type) { //nolint:errorlint // every part is looked at
	case nil:
		return left
	case *change.LeftoverError:
		item := leftOver{Text: e.Error(), VM: e.VM, VMID: int(e.Ref.ID), Node: e.Ref.Node}
		for _, volume := range e.Volumes {
			item.Volumes = append(item.Volumes, string(volume.ID))
		}
		return append(left, item)
	case *hostLeftError:
		return append(left, leftOver{Text: e.Error(), Node: e.host})
	case *stillUpError:
		for _, name := range e.named {
			left = append(left, leftOver{Text: name})
		}
		return left
	case *elsewhereLeftError:
		for _, lab := range e.labs {
			left = append(left, leftOver{Text: "lab " + lab})
		}
		return left
	case *labrun.ElsewhereError:
		for _, vm := range e.VMs {
			left = append(left, leftOver{Text: "lab " + e.Lab, VM: vm.Mark.VM, VMID: int(vm.Ref.ID), Node: vm.Ref.Node})
		}
		return left
	case interface{ Unwrap() []error }:
		for _, part := range e.Unwrap() {
			left = append(left, leftOvers(part)...)
		}
		return left
	case interface{ Unwrap() error }:
		return append(left, leftOvers(e.Unwrap())...)
	}
	return left
}

// wantsJSON says whether the command line asks for JSON, also where it could not be read.
func (a *app) wantsJSON() bool {
	i := slices.Index(a.args, "--output")
	return a.json() || slices.Contains(a.args, "--output="+outputJSON) || i >= 0 && i+1 < len(a.args) && a.args[i+1] == outputJSON
}
