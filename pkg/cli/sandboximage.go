package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"labctl/pkg/pvesim/guestimage"
)

// sandboxImage is what the sandbox's virtual machines boot: the user's own cloud image, or the built one, which is built
// when it is missing. A sandbox of processes has none.
func (a *app) sandboxImage(ctx context.Context) (*guestimage.Image, error) {
	if a.flags.sandbox != sandboxQEMU {
		return nil, nil
	}
	if err := guestimage.CheckRunner(); err != nil {
		return nil, err
	}
	if path := a.config.GetString(keySandboxImage); path != "" {
		image, err := guestimage.Open(path)
		if err != nil {
			return nil, usagef("%s: %w", keySandboxImage, err)
		}
		return &image, nil
	}
	cache, err := guestimage.DefaultCache()
	if err != nil {
		return nil, err
	}
	begun, built := time.Now(), false
	image, err := guestimage.Ensure(ctx, cache, func() {
		built = true
		a.progress().Status(func(time.Duration) string {
			return "building the operating system of the sandbox's virtual machines, once: takes one to three minutes"
		})
	})
	if err != nil {
		return nil, err
	}
	if built {
		a.progress().Line("built the operating system of the sandbox's virtual machines in %v: %s", time.Since(begun).Round(time.Second), image.Disk)
	}
	return &image, nil
}

func newSandboxImage(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "image",
		Short: "Build the operating system of --sandbox=qemu's virtual machines, unless it is there, and show where it is",
		RunE: func(cmd *cobra.Command, _ []string) error {
			a.flags.sandbox = sandboxQEMU
			image, err := a.sandboxImage(cmd.Context())
			if err != nil {
				return err
			}
			return a.print(func(w io.Writer) error {
				if a.json() {
					return writeJSON(w, map[string]string{"image": image.Disk})
				}
				_, err := fmt.Fprintln(w, image.Disk)
				return err
			})
		},
	}
}
