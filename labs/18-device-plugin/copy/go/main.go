// A device plugin with upstream's types, to copy: device-plugin-go DIRECTORY RESOURCE HEALTH_FILE
// DIRECTORY is the kubelet's device-plugins folder; HEALTH_FILE names the unhealthy devices.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	api "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

const (
	socket = "go.sock"
	// How often the files are looked at: a plugin of your own may use fsnotify.
	interval = 200 * time.Millisecond
)

type plugin struct {
	api.UnimplementedDevicePluginServer
	healthFile string
}

func (p plugin) devices() []*api.Device {
	sick, _ := os.ReadFile(p.healthFile) // no file: all are healthy
	list := []*api.Device{}
	for _, id := range []string{"go-0", "go-1"} {
		health := api.Healthy
		for _, line := range strings.Split(string(sick), "\n") {
			if line == id {
				health = api.Unhealthy
			}
		}
		list = append(list, &api.Device{ID: id, Health: health})
	}
	return list
}

func (plugin) GetDevicePluginOptions(context.Context, *api.Empty) (*api.DevicePluginOptions, error) {
	return &api.DevicePluginOptions{}, nil
}

func (p plugin) ListAndWatch(_ *api.Empty, stream api.DevicePlugin_ListAndWatchServer) error {
	sent := ""
	for stream.Context().Err() == nil {
		list := p.devices()
		if text := fmt.Sprint(list); text != sent {
			if err := stream.Send(&api.ListAndWatchResponse{Devices: list}); err != nil {
				return err
			}
			sent = text
		}
		time.Sleep(interval)
	}
	return nil
}

func (plugin) Allocate(_ context.Context, request *api.AllocateRequest) (*api.AllocateResponse, error) {
	response := &api.AllocateResponse{}
	for _, container := range request.ContainerRequests {
		envs := map[string]string{"GO_DEVICES": strings.Join(container.DevicesIds, ",")}
		response.ContainerResponses = append(response.ContainerResponses, &api.ContainerAllocateResponse{Envs: envs})
	}
	return response, nil
}

// register serves first: the kubelet connects back before it answers.
func register(directory, resource, healthFile string) (*grpc.Server, error) {
	path := filepath.Join(directory, socket)
	_ = os.Remove(path)
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	server := grpc.NewServer()
	api.RegisterDevicePluginServer(server, plugin{healthFile: healthFile})
	go func() { _ = server.Serve(listener) }()
	kubelet, err := grpc.NewClient(
		"unix://"+filepath.Join(directory, "kubelet.sock"),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
	)
	if err != nil {
		return server, err
	}
	defer kubelet.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err = api.NewRegistrationClient(kubelet).Register(ctx, &api.RegisterRequest{
		Version: api.Version, Endpoint: socket, ResourceName: resource,
	})
	return server, err
}

// sameFile also compares times: a new file may have the number of one that was removed.
func sameFile(a, b os.FileInfo) bool {
	return b != nil && os.SameFile(a, b) && a.ModTime().Equal(b.ModTime())
}

func main() {
	directory, resource, healthFile := os.Args[1], os.Args[2], os.Args[3]
	var registered os.FileInfo
	var server *grpc.Server
	for ; ; time.Sleep(interval) {
		kubelet, err := os.Stat(filepath.Join(directory, "kubelet.sock"))
		if err != nil || sameFile(kubelet, registered) {
			continue
		}
		if server != nil {
			server.Stop()
		}
		if server, err = register(directory, resource, healthFile); err != nil {
			fmt.Fprintln(os.Stderr, "registration failed:", err)
			continue
		}
		registered = kubelet
		fmt.Println("registered", resource)
	}
}
