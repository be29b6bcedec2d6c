package pve_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"labctl/pkg/pve"
	"labctl/pkg/pvesim"
)

// uploader is a server on which the token may upload to the storage "local", and with "Datastore.Allocate" also delete.
func uploader(t *testing.T, major int, privileges ...string) (*pve.Client, *pvesim.Cluster) {
	t.Helper()
	topology := pvesim.SandboxTopology(major)
	topology.Grants = slices.DeleteFunc(topology.Grants, func(g pvesim.GrantSpec) bool { return g.Path == "/storage/local" })
	topology.Roles = append(topology.Roles, pvesim.RoleSpec{Name: "Uploads", Privileges: privileges})
	for _, who := range []string{"labctl@pve", pvesim.SandboxTokenID} {
		topology.Grants = append(topology.Grants, pvesim.GrantSpec{Path: "/storage/local", Who: who, Role: "Uploads", Propagate: true})
	}
	cluster, err := pvesim.New(topology)
	if err != nil {
		t.Fatal(err)
	}
	client, err := pve.New(pve.Config{
		URL: "https://pve.test", TokenID: pvesim.SandboxTokenID, TokenSecret: pvesim.SandboxTokenSecret, Transport: cluster.Transport(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return client, cluster
}

func TestUploadAndDelete(t *testing.T) {
	const content = "not really an ISO image\x00\xff"
	sum := sha256.Sum256([]byte(content))
	seed := func(sum string) pve.File {
		return pve.File{Name: "labctl seed.iso", Content: "iso", SizeBytes: int64(len(content)), Body: strings.NewReader(content), SHA256: sum}
	}
	for _, major := range []int{8, 9} {
		t.Run(fmt.Sprint("PVE ", major), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				client, cluster := uploader(t, major, "Datastore.AllocateTemplate", "Datastore.Audit", "Datastore.Allocate")
				task, err := client.Upload(ctx, "pve", "local", seed(hex.EncodeToString(sum[:])))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := client.Wait(ctx, task, nil); err != nil {
					t.Fatal(err)
				}
				const id = "local:iso/labctl_seed.iso"
				volumes, err := client.Volumes(ctx, "pve", "local", 0)
				if err != nil || len(volumes) != 1 || volumes[0].ID != id || volumes[0].SizeBytes != int64(len(content)) {
					t.Fatalf("after the upload: %+v, %v", volumes, err)
				}
				for range 2 { // the second time nothing is there
					if task, err = client.DeleteVolume(ctx, "pve", id); err != nil {
						t.Fatal(err)
					}
					if _, err := client.Wait(ctx, task, nil); err != nil {
						t.Fatal(err)
					}
				}
				if volumes, err = client.Volumes(ctx, "pve", "local", 0); err != nil || len(volumes) != 0 {
					t.Errorf("after the removal: %+v, %v", volumes, err)
				}
				if err := pvesim.CheckRequests(cluster.Requests()); err != nil {
					t.Errorf("not valid against the real schemas: %v", err)
				}
			})
		})
	}
}

func TestUploadOfADamagedFileLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := uploader(t, 9, "Datastore.AllocateTemplate", "Datastore.Audit")
		task, err := client.Upload(t.Context(), "pve", "local", pve.File{
			Name: "x.iso", Content: "iso", SizeBytes: 1, Body: strings.NewReader("x"), SHA256: strings.Repeat("0", 64),
		})
		if err != nil {
			t.Fatal(err)
		}
		var failed *pve.TaskError
		if _, err := client.Wait(t.Context(), task, nil); !errors.As(err, &failed) || !strings.Contains(err.Error(), "checksum mismatch") {
			t.Errorf("error %v", err)
		}
		if volumes, err := client.Volumes(t.Context(), "pve", "local", 0); err != nil || len(volumes) != 0 {
			t.Errorf("left: %+v, %v", volumes, err)
		}
	})
}

func TestDeleteVolumeWithoutTheRight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := uploader(t, 9, "Datastore.AllocateTemplate", "Datastore.Audit")
		_, err := client.DeleteVolume(t.Context(), "pve", "local:iso/x.iso")
		var missing *pve.PermissionError
		if !errors.As(err, &missing) || missing.Path != "/storage/local" || missing.Privilege != "Datastore.Allocate" {
			t.Errorf("error %v", err)
		}
		if _, err := client.DeleteVolume(t.Context(), "pve", "x.iso"); !errors.Is(err, pve.ErrInvalid) {
			t.Errorf("a volume without storage: %v", err)
		}
	})
}
