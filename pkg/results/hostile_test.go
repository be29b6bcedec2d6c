package results_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"labctl/pkg/results"
)

// zeros is so many zero bytes as they are stored, and the hash that names them.
func zeros(t *testing.T, size int64) (packed []byte, sum string) {
	t.Helper()
	var buffer bytes.Buffer
	encoder, err := zstd.NewWriter(&buffer, zstd.WithEncoderConcurrency(1))
	check(t, err)
	hash := sha256.New()
	_, err = io.Copy(io.MultiWriter(encoder, hash), io.LimitReader(zeroReader{}, size))
	check(t, err)
	check(t, encoder.Close())
	return buffer.Bytes(), fmt.Sprintf("%x", hash.Sum(nil))
}

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// A small document that unpacks to a gigabyte, in one file or in several, is refused in little memory.
func TestImportOfABomb(t *testing.T) {
	for name, parts := range map[string]int64{"one file": 1, "eight files": 8} {
		packed, sum := zeros(t, 1<<30/parts)
		var doc struct {
			Version int               `json:"labctl_export"`
			ID      string            `json:"id"`
			Files   []json.RawMessage `json:"files"`
		}
		check(t, json.Unmarshal(exported(t, finished(t), "demo"), &doc))
		for range parts {
			file, err := json.Marshal(map[string]any{"path": "raw/" + sum + ".zst", "sha256": results.HashOf(packed), "base64": packed})
			check(t, err)
			doc.Files = append(doc.Files, file)
			packed = append(packed, 0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0) // an empty frame: other bytes, the same content
		}
		data, err := json.Marshal(doc)
		check(t, err)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		s := open(t)
		_, err = s.Import("bomb.json", data)
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), "unpacks to more than") && !strings.Contains(err.Error(), "twice") {
			t.Errorf("%s: %d bytes: %v", name, len(data), err)
		}
		if used := (after.Sys - before.Sys) >> 20; used > 200 {
			t.Errorf("%s: it took %d MiB", name, used)
		}
		if len(tree(t, filepath.Dir(s.Dir()))) != 0 {
			t.Errorf("%s: left something behind", name)
		}
	}
}

// Text that a terminal filter would rewrite comes through an export bit for bit.
func TestExportKeepsOddText(t *testing.T) {
	source, sink := open(t), open(t)
	run := begun()
	run.Title, run.Plan = "a\u202eb\u2028c<&>\x7f\u00a0é", results.Plan{}
	w := create(t, source, run)
	add(t, w, trial(1, "\x1b[31mpve\n"), report(1), []byte("\x1b]0;title\a\n"))
	check(t, w.Finish(results.StatusComplete, "", nil))
	runs, err := sink.Import("x", exported(t, source, w.ID()))
	check(t, err)
	if asJSON(t, &runs[0]) != asJSON(t, load(t, source, w.ID())) {
		t.Error("the run changed on its way")
	}
	if said := runs[0].Trials[0].Said; len(said) != 1 || strings.ContainsAny(said[0], "\x1b\a") {
		t.Errorf("fio said %q", said)
	}
}

// A newer labctl's files are passed over, and are no damage.
func TestNewerFilesArePassedOver(t *testing.T) {
	s := finished(t)
	dir := filepath.Join(s.Dir(), begun().ID)
	check(t, os.WriteFile(filepath.Join(dir, "trials", "b2-pve-write-4k-a1-505f2460.json"), []byte(`{"schema_version": 3, "run": "20260102T150405Z-1a2b"}`), 0o600))
	run := load(t, s, "demo")
	if len(run.Trials) != 2 || len(run.PassedOver) != 1 || run.PassedOver[0] != "trials/b2-pve-write-4k-a1-505f2460.json" {
		t.Errorf("%d trials, passed over %q", len(run.Trials), run.PassedOver)
	}
	if err := s.Export("demo", &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "newer labctl, which can export it") {
		t.Errorf("Export: %v", err)
	}
	replaceFile(t, filepath.Join(dir, "run.json"), []byte(`{"schema_version": 3, "id": "20260102T150405Z-1a2b", "shape": []}`))
	if _, err := s.Load(begun().ID); err == nil || !strings.HasSuffix(err.Error(), "was written by a newer labctl (schema version 3, this one reads up to 2)") {
		t.Errorf("Load: %v", err)
	}
	headers, err := s.List()
	if err != nil || !headers[0].Newer {
		t.Errorf("List: %+v, %v", headers, err)
	}
	if v, err := s.Verify(begun().ID); err != nil || len(v.Damage) > 0 || len(v.PassedOver) != 1 {
		t.Errorf("Verify: %+v, %v", v, err)
	}
}
