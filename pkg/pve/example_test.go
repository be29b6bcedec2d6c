package pve_test

import (
	"context"
	"errors"
	"fmt"

	"labctl/pkg/pve"
	"labctl/pkg/pvesim"
)

// A change is begun, then waited for; what went wrong is asked with errors.Is.
func Example() {
	cluster, err := pvesim.New(pvesim.SandboxTopology(9))
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := pve.New(pve.Config{
		URL: "https://pve.example:8006", TokenID: pvesim.SandboxTokenID, TokenSecret: pvesim.SandboxTokenSecret,
		Transport: cluster.Transport(), // without it: the network
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	template := pve.VMRef{Node: "pve", ID: 9000}
	clone := pve.CloneRequest{Source: template, NewID: 9100, Name: "a", Pool: pvesim.SandboxPool, Description: "made by an example"}
	upid, err := client.Clone(ctx, clone)
	if err != nil {
		fmt.Println(err)
		return
	}
	status, err := client.Wait(ctx, upid, nil)
	fmt.Println(upid.Type, status.ExitStatus, err)

	_, err = client.Clone(ctx, clone)
	fmt.Println(errors.Is(err, pve.ErrVMIDTaken), err)
	// Output:
	// qmclone OK <nil>
	// true POST /nodes/pve/qemu/9000/clone: 500 unable to create VM 9100: config file already exists
}
