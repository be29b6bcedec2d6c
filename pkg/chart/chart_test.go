package chart

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"image"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// examples are the charts that were looked at: one per kind of content.
func examples() map[string]Bars {
	return map[string]Bars{
		"one-job": {
			Title: "write-random-4kib-1x", Subtitle: "Write IOPS per target", YLabel: "IOPS",
			Groups: []Group{
				{Label: "pve", Values: []Value{At(29337.344)}},
				{Label: "2gb", Values: []Value{At(54408.86)}},
				{Label: "4gb", Values: []Value{At(55851.56)}},
				{Label: "8gb", Values: []Value{At(60669.14)}},
			},
			Footnote: "Run blog:2023-09-12, Proxmox VE host and virtual machines, one run.",
		},
		"many-jobs": {
			Title: "write-random-64kib-16x", Subtitle: "Write IOPS per target", YLabel: "IOPS",
			Series: []string{"total of 16 jobs", "mean per job"},
			Groups: []Group{
				{Label: "pve", Values: []Value{At(13530.2), At(845.638)}},
				{Label: "2gb", Values: []Value{At(14254.6), At(890.91)}},
				{Label: "4gb", Values: []Value{At(13466.5), At(841.66)}},
				{Label: "8gb", Values: []Value{NoData(), NoData()}},
			},
			Footnote: "8gb: no data, fio ended with exit status 1.\nSANDBOX: host processes, not virtual machines.",
		},
		"long-names": {
			Title:    "A workload with quite a long name that has to be wrapped because it does not fit on a single line of the chart",
			Subtitle: "Write bandwidth per target, median of 8 blocks with the range min..max", YLabel: "MiB/s",
			Series: []string{"total of 16 jobs", "mean per job"},
			Groups: []Group{
				{Label: "proxmox-node-01.storage.lab.example.org", Values: []Value{{Height: 1284.54, Low: 1180, High: 1490}, At(80.28)}},
				{Label: "vm_with_a_name_of_many_words_8gb", Values: []Value{{Height: 907.39, Low: 700.5, High: 930}, At(56.71)}},
				{Label: "Donaudampfschifffahrtsgesellschaft", Values: []Value{NoData(), NoData()}},
				{Label: "4gb", Values: []Value{At(0), At(0)}},
				{Label: "longhorn-replica-3", Values: []Value{At(860.99), At(53.8)}},
				{Label: "longhorn-replica-4", Values: []Value{At(12860.99), At(1253.8)}},
				{Label: "longhorn-replica-5", Values: []Value{At(860.99), At(53.8)}},
			},
		},
		"no-data": {Title: "sync4k-q1", YLabel: "IOPS", Groups: []Group{{Label: "pve", Values: []Value{NoData()}}}},
		"tiny":    {Title: "sync4k-q1 & <more>", YLabel: "MiB/s", Groups: []Group{{Label: "pve", Values: []Value{At(0.0123)}}, {Label: "vm", Values: []Value{At(0.0456)}}}},
	}
}

func svgOf(t testing.TB, b Bars) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := b.WriteSVG(&buf); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestGoldenSVG(t *testing.T) {
	for name, b := range examples() {
		t.Run(name, func(t *testing.T) {
			got, golden := svgOf(t, b), filepath.Join("testdata", name+".svg")
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("SVG differs from %s (look at the difference, then run with -update)", golden)
			}
		})
	}
}

func TestSameInputSameBytes(t *testing.T) {
	for name, b := range examples() {
		if !bytes.Equal(svgOf(t, b), svgOf(t, b)) {
			t.Errorf("%s: two SVGs of one chart differ", name)
		}
	}
	var first, second bytes.Buffer
	b := examples()["many-jobs"]
	if err := errors.Join(b.WritePNG(&first), b.WritePNG(&second)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("two PNGs of one chart differ")
	}
}

// Text must lie inside the picture: the outermost two points of every edge stay white.
func TestNothingIsClipped(t *testing.T) {
	for name, b := range examples() {
		lay, err := b.layout()
		if err != nil {
			t.Fatal(err)
		}
		canvas := vgimg.NewWith(vgimg.UseWH(lay.width, lay.height), vgimg.UseDPI(72))
		lay.draw(draw.New(canvas))
		img := canvas.Image()
		r := img.Bounds()
		const edge = 2
		for _, part := range []image.Rectangle{
			{Min: r.Min, Max: image.Pt(r.Max.X, edge)},
			{Min: image.Pt(0, r.Max.Y-edge), Max: r.Max},
			{Min: r.Min, Max: image.Pt(edge, r.Max.Y)},
			{Min: image.Pt(r.Max.X-edge, 0), Max: r.Max},
		} {
			for y := part.Min.Y; y < part.Max.Y; y++ {
				for x := part.Min.X; x < part.Max.X; x++ {
					if red, green, blue, _ := img.At(x, y).RGBA(); red+green+blue != 3*0xffff {
						t.Fatalf("%s: ink at the edge of the picture, at %d,%d of %v", name, x, y, r)
					}
				}
			}
		}
	}
}

func TestRefuses(t *testing.T) {
	group := func(values ...Value) []Group { return []Group{{Label: "vm", Values: values}} }
	tests := map[string]struct {
		bars Bars
		want string
	}{
		"nothing":  {Bars{Title: "t"}, `drawing chart "t": chart has no bars`},
		"ragged":   {Bars{Title: "t", Groups: group(At(1), At(2))}, `drawing chart "t": "vm" has 2 bars, want 1`},
		"negative": {Bars{Title: "t", Groups: group(At(-1))}, `drawing chart "t": "vm" has a value that is negative or infinite`},
		"infinite": {Bars{Title: "t", Groups: group(At(math.Inf(1)))}, `drawing chart "t": "vm" has a value that is negative or infinite`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for _, err := range []error{test.bars.WriteSVG(io.Discard), test.bars.WritePNG(io.Discard)} {
				if err == nil || err.Error() != test.want {
					t.Errorf("got error %v, want %s", err, test.want)
				}
			}
		})
	}
	if err := (Bars{}).WriteSVG(io.Discard); !errors.Is(err, ErrEmpty) {
		t.Errorf("got %v, want ErrEmpty", err)
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 13530.204: "13 530", 1284542.6: "1 284 543", 999.96: "1 000", 999.9: "999.9", 845.6378: "845.6",
		52.852: "52.85", 3.4178: "3.418", 0.0123: "0.012", 0.00001: "0.000010", 1e9: "1 000 000 000", -26.24: "-26.24",
	} {
		if got := Number(v); got != want {
			t.Errorf("Number(%v) = %q, want %q", v, got, want)
		}
	}
	if got := Fixed(-0.04, 1); got != "0.0" {
		t.Errorf("Fixed(-0.04, 1) = %q: zero has no sign", got)
	}
}

func TestValueAxis(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		top := rapid.Float64Range(1e-9, 1e12).Draw(t, "top")
		limit, ticks := valueAxis(top)
		if limit < top*1.08 || limit > top*1.1 {
			t.Fatalf("axis to %v for a bar of %v", limit, top)
		}
		if ticks[0].value != 0 || len(ticks) < 4 || len(ticks) > 8 {
			t.Fatalf("ticks %v for a bar of %v", ticks, top)
		}
		seen := map[string]bool{}
		for _, tick := range ticks {
			if seen[tick.label] {
				t.Fatalf("label %q twice for a bar of %v", tick.label, top)
			}
			seen[tick.label] = true
		}
	})
}

func TestAnyTextIsWellFormedSVG(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[ -~äöü€<>&"'\n\x00-\x08-]{0,60}`)
		b := Bars{
			Title: text.Draw(t, "title"), Subtitle: text.Draw(t, "subtitle"), YLabel: text.Draw(t, "unit"), Footnote: text.Draw(t, "note"),
			Groups: []Group{{Label: text.Draw(t, "label"), Values: []Value{At(rapid.Float64Range(0, 1e12).Draw(t, "height"))}}},
		}
		var buf bytes.Buffer
		if err := b.WriteSVG(&buf); err != nil {
			t.Fatal(err)
		}
		dec := xml.NewDecoder(strings.NewReader(buf.String()))
		for {
			if _, err := dec.Token(); errors.Is(err, io.EOF) {
				return
			} else if err != nil {
				t.Fatal(err)
			}
		}
	})
}
