package vmtemplate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A local image is looked at before it is uploaded: PVE would take anything that is no qcow2 image for a raw disk.
func TestLocalSource(t *testing.T) {
	for _, test := range []struct{ file, content, extension, refusal string }{
		{"a.qcow2", "QFI\xfb...", "qcow2", ""},
		{"a.img", "QFI\xfb...", "qcow2", ""},
		{"a.img", "\xeb\x63\x90\x00...", "raw", ""},
		{"a.qcow2", "<html>", "", "is no qcow2 image"},
		{"a.qcow2", "QFI and nothing else", "", "is no qcow2 image"},
		{"a.img", "\x1f\x8b\x08\x00...", "", "compressed with gzip"},
		{"a.qcow2", "\xfd7zXZ\x00...", "", "unpack it with unxz first"},
		{"a.raw", "ab", "", "reading the image"},
	} {
		path := filepath.Join(t.TempDir(), test.file)
		if err := os.WriteFile(path, []byte(test.content), 0o600); err != nil {
			t.Fatal(err)
		}
		from, err := localSource(Wanted{File: path})
		switch {
		case test.refusal == "" && (err != nil || from.extension != test.extension):
			t.Errorf("%s of %q: %q, %v; want %s", test.file, test.content, from.extension, err, test.extension)
		case test.refusal != "" && (err == nil || !strings.Contains(err.Error(), test.refusal)):
			t.Errorf("%s of %q: error %v, want %q", test.file, test.content, err, test.refusal)
		}
	}
}
