package labspec

import (
	"fmt"
	"strconv"
	"strings"
)

// Size is a number of bytes, written with a binary unit: 64GiB, 512MiB, or 32G as PVE says it.
type Size int64

// The binary units.
const (
	KiB Size = 1 << 10
	MiB Size = 1 << 20
	GiB Size = 1 << 30
	TiB Size = 1 << 40
)

// maxSize keeps sums of sizes far from overflow: 1 PiB.
const maxSize = 1024 * TiB

// ParseSize reads a whole number with one of the units KiB, MiB, GiB, TiB or K, M, G, T, which mean the same: both are
// powers of 1024, as in PVE's own configuration. A number without a unit is an error, and so are MB and GB, which some
// read as powers of 1000.
func ParseSize(text string) (Size, error) {
	digits := len(text) - len(strings.TrimLeft(text, "0123456789"))
	number, unit := text[:digits], strings.TrimPrefix(text[digits:], " ")
	scale, known := map[string]Size{
		"KiB": KiB, "MiB": MiB, "GiB": GiB, "TiB": TiB,
		"K": KiB, "M": MiB, "G": GiB, "T": TiB,
	}[unit]
	switch {
	case digits == 0:
		return 0, &valueError{fmt.Sprintf("%q is not a size", text), `write a whole number and a unit, such as 64GiB`}
	case unit == "":
		return 0, &valueError{fmt.Sprintf("%s has no unit", text), "write " + number + "GiB or " + number + "MiB"}
	case strings.HasPrefix(unit, "."):
		return 0, &valueError{fmt.Sprintf("%s is not a whole number", text), "use a smaller unit: 1536MiB, not 1.5GiB"}
	case !known && strings.HasSuffix(unit, "B") && len(unit) == 2:
		return 0, &valueError{fmt.Sprintf("the unit %s is ambiguous", unit), "write " + number + strings.ToUpper(unit[:1]) + "iB"}
	case !known:
		return 0, &valueError{fmt.Sprintf("%q is not a unit of size", unit), "use KiB, MiB, GiB or TiB"}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || Size(n) > maxSize/scale {
		return 0, &valueError{text + " is too large", "the largest size is 1024TiB"}
	}
	return Size(n) * scale, nil
}

// String returns the size in the largest binary unit that divides it: 64GiB, 1536MiB, 1000B.
func (s Size) String() string {
	for _, unit := range []struct {
		size Size
		name string
	}{{TiB, "TiB"}, {GiB, "GiB"}, {MiB, "MiB"}, {KiB, "KiB"}} {
		if s != 0 && s%unit.size == 0 {
			return strconv.FormatInt(int64(s/unit.size), 10) + unit.name
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}

// GiB returns the size in GiB, rounded down; exact reports whether nothing was lost.
func (s Size) GiB() (n int64, exact bool) { return int64(s / GiB), s%GiB == 0 }

// MiB returns the size in MiB, rounded down.
func (s Size) MiB() int64 { return int64(s / MiB) }
