// Command labctl measures storage in throw-away Proxmox VE labs.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"labctl/pkg/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal starts an orderly end; with the default handling restored, a second one ends the process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(cli.Main(ctx, os.Args[1:]))
}
