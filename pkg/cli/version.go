package cli

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// buildVersion is set by the linker (see the Makefile).
var buildVersion string //nolint:gochecknoglobals // -ldflags -X needs a variable

// version is this labctl's version: as the Makefile says, or as the Go module system does.
func version() string {
	if buildVersion != "" {
		return buildVersion
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

func newVersion(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show labctl's version",
		RunE: func(*cobra.Command, []string) error {
			return a.print(func(w io.Writer) error {
				if a.json() {
					return writeJSON(w, map[string]string{"version": version(), "go": runtime.Version()})
				}
				_, err := fmt.Fprintf(w, "labctl %s (%s)\n", version(), runtime.Version())
				return err
			})
		},
	}
}
