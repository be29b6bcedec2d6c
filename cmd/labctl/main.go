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
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup does
		ends = append(ends, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
	// The first signal starts an orderly end; with the default handling restored, a second one ends the process at once.
	context.AfterFunc(ctx, stop)
	// When the reader of our output goes away, as tee does at Ctrl-C, writing fails and the removal of a lab goes on. SIGPIPE
	// is caught and not ignored, since processes that we start would inherit that.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	os.Exit(cli.Main(ctx, os.Args[1:]))
}
