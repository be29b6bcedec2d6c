package pvesim_test

import (
	"fmt"
	"log"
	"net/http"

	"labctl/pkg/pvesim"
)

// A simulated cluster whose second answer to GET /version is that of a node that cannot be reached.
func Example() {
	faults, err := pvesim.ParseFaults("inline", []byte(`
faults:
- request: {method: GET, path: /version}
  skip: 1
  do: {refuse: {status: 595, text: No route to host}}
`))
	if err != nil {
		log.Fatal(err)
	}
	cluster, err := pvesim.New(pvesim.SandboxTopology(9), pvesim.WithFaults(faults))
	if err != nil {
		log.Fatal(err)
	}
	client := http.Client{Transport: cluster.Transport()}
	for range 2 {
		request, err := http.NewRequest(http.MethodGet, "https://any.host:8006/api2/json/version", nil)
		if err != nil {
			log.Fatal(err)
		}
		request.Header.Set("Authorization", "PVEAPIToken="+pvesim.SandboxTokenID+"="+pvesim.SandboxTokenSecret)
		response, err := client.Do(request)
		if err != nil {
			log.Fatal(err)
		}
		response.Body.Close()
		fmt.Println(response.Status)
	}
	// Output:
	// 200 OK
	// 595 No route to host
}
