// Command labctl measures storage in throw-away Proxmox VE labs.
package main

import (
	"os"

	"labctl/pkg/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:])) }
