package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// schemaVersion is that of every JSON document but report's and compare's, which say theirs. It is raised when a field
// changes its meaning or goes away; fields may be added without notice.
const schemaVersion = 1

// writeJSON writes a value, which is a struct, as the one JSON document of a command.
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
