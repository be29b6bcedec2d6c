package cli

import (
	"strings"

	"github.com/spf13/cobra"
)

// countArguments lets every command take as many arguments as its usage line has, and name what is missing.
func countArguments(cmd *cobra.Command) {
	for _, child := range cmd.Commands() {
		countArguments(child)
		if child.Args == nil {
			child.Args = fitting
		}
	}
}

// fitting compares the arguments with a usage line such as "import [FILE] OTHER...".
func fitting(cmd *cobra.Command, args []string) error {
	var needed []string
	places, open := strings.Fields(cmd.Use)[1:], false
	for _, place := range places {
		open = open || strings.HasSuffix(strings.TrimSuffix(place, "]"), "...")
		if !strings.HasPrefix(place, "[") {
			needed = append(needed, place)
		}
	}
	switch {
	case len(args) < len(needed):
		return usagef("%s is missing: usage: %s", strings.Join(needed[len(args):], " "), cmd.UseLine())
	case len(args) > len(places) && !open:
		return usagef("unexpected argument %q: usage: %s", args[len(places)], cmd.UseLine())
	}
	return nil
}
