package inventory

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// noteFormat is the version of the note's JSON.
const noteFormat = 1

// TemplateNote is what a template that labctl built says of itself in its notes. It is no owner mark: a finished template
// is nobody's lab and stays until somebody removes it.
type TemplateNote struct {
	ImageSHA256 string // in hex
	ImageURL    string // "" when the image came from a local file
	ImageName   string // file name of the image
	Version     string // the labctl that built it
	Built       time.Time
}

type noteJSON struct {
	Format  int       `json:"labctl_template"`
	SHA256  string    `json:"image_sha256"`
	URL     string    `json:"image_url,omitempty"`
	Name    string    `json:"image_name"`
	Version string    `json:"version"`
	Built   time.Time `json:"built"`
}

// Description is the text for the template's notes: a sentence for people and the note itself.
func (n TemplateNote) Description() string {
	note, err := json.Marshal(noteJSON{
		Format: noteFormat, SHA256: n.ImageSHA256, URL: n.ImageURL, Name: n.ImageName, Version: n.Version, Built: n.Built.UTC(),
	})
	if err != nil {
		panic(fmt.Sprintf("encoding a template's note: %v", err)) // only strings and a time: cannot happen
	}
	return fmt.Sprintf("Template for benchmark VMs, built by labctl from %s.\n%s\n", n.ImageName, note)
}

// ParseTemplateNote finds the note in a template's description.
func ParseTemplateNote(description string) (TemplateNote, bool) {
	for line := range strings.Lines(description) {
		var note noteJSON
		if !strings.HasPrefix(line, `{"labctl_template":`) || json.Unmarshal([]byte(line), &note) != nil {
			continue
		}
		if note.Format != noteFormat || note.SHA256 == "" {
			continue
		}
		return TemplateNote{ImageSHA256: note.SHA256, ImageURL: note.URL, ImageName: note.Name, Version: note.Version, Built: note.Built}, true
	}
	return TemplateNote{}, false
}
