package pve

import (
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// Secret is a text that must not be shown. Printed, logged or encoded as a value
// it is "[redacted]"; only string(s) gives the text itself.
type Secret string

// String implements fmt.Stringer and hides the text.
func (s Secret) String() string { return redacted }

// GoString implements fmt.GoStringer and hides the text.
func (s Secret) GoString() string { return redacted }

// Format implements fmt.Formatter, so that verbs such as %x and %q hide the text too.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue implements slog.LogValuer and hides the text.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler and hides the text.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON implements json.Marshaler and hides the text.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
