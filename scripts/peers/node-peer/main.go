// node-peer speaks the node's plugin protocols with upstream's own Go types, for contract tests:
//
//	node-peer plugin DIR RESOURCE      a device plugin with two devices, registered at DIR/kubelet.sock
//	node-peer kubelet DIR              a kubelet's side: takes one plugin, allocates its first device
//	node-peer podresources SOCKET      prints List as JSON
//	node-peer registration SOCKET      asks a plugin's registration socket who it is
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	plugin "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
	podresources "k8s.io/kubelet/pkg/apis/podresources/v1"
)

func main() {
	commands := map[string]func([]string) error{
		"plugin":       runPlugin,
		"kubelet":      runKubelet,
		"podresources": listPodResources,
		"registration": askRegistration,
	}
	if len(os.Args) < 3 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "node-peer plugin|kubelet|podresources|registration PATH ...")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func dial(socket string) (*grpc.ClientConn, error) {
	return grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
}

func show(value any) error {
	return json.NewEncoder(os.Stdout).Encode(value)
}

type devices struct {
	plugin.UnimplementedDevicePluginServer
}

func (devices) GetDevicePluginOptions(context.Context, *plugin.Empty) (*plugin.DevicePluginOptions, error) {
	return &plugin.DevicePluginOptions{PreStartRequired: true}, nil
}

func (devices) ListAndWatch(_ *plugin.Empty, stream plugin.DevicePlugin_ListAndWatchServer) error {
	list := []*plugin.Device{{ID: "go-0", Health: plugin.Healthy}, {ID: "go-1", Health: plugin.Unhealthy}}
	if err := stream.Send(&plugin.ListAndWatchResponse{Devices: list}); err != nil {
		return err
	}
	<-stream.Context().Done()
	return nil
}

func (devices) Allocate(_ context.Context, request *plugin.AllocateRequest) (*plugin.AllocateResponse, error) {
	response := &plugin.AllocateResponse{}
	for _, container := range request.ContainerRequests {
		response.ContainerResponses = append(response.ContainerResponses, &plugin.ContainerAllocateResponse{
			Envs: map[string]string{"GO_DEVICES": fmt.Sprint(container.DevicesIds)},
		})
	}
	return response, nil
}

func (devices) PreStartContainer(_ context.Context, request *plugin.PreStartContainerRequest) (*plugin.PreStartContainerResponse, error) {
	return &plugin.PreStartContainerResponse{}, show(map[string]any{"preStart": request.DevicesIds})
}

func runPlugin(args []string) error {
	directory, resource := args[0], args[1]
	listener, err := net.Listen("unix", filepath.Join(directory, "go.sock"))
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	plugin.RegisterDevicePluginServer(server, devices{})
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	connection, err := dial(filepath.Join(directory, "kubelet.sock"))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err = plugin.NewRegistrationClient(connection).Register(ctx, &plugin.RegisterRequest{
		Version: plugin.Version, Endpoint: "go.sock", ResourceName: resource,
		Options: &plugin.DevicePluginOptions{PreStartRequired: true},
	})
	if err != nil {
		return err
	}
	return <-failed
}

type kubelet struct {
	plugin.UnimplementedRegistrationServer
	registered chan *plugin.RegisterRequest
}

func (k kubelet) Register(_ context.Context, request *plugin.RegisterRequest) (*plugin.Empty, error) {
	k.registered <- request
	return &plugin.Empty{}, nil
}

func runKubelet(args []string) error {
	directory := args[0]
	listener, err := net.Listen("unix", filepath.Join(directory, "kubelet.sock"))
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	side := kubelet{registered: make(chan *plugin.RegisterRequest, 1)}
	plugin.RegisterRegistrationServer(server, side)
	go func() { _ = server.Serve(listener) }()
	defer server.Stop()
	request := <-side.registered
	connection, err := dial(filepath.Join(directory, request.Endpoint))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	client := plugin.NewDevicePluginClient(connection)
	stream, err := client.ListAndWatch(ctx, &plugin.Empty{})
	if err != nil {
		return err
	}
	list, err := stream.Recv()
	if err != nil {
		return err
	}
	ids := []string{list.Devices[0].ID}
	preferred, err := client.GetPreferredAllocation(ctx, &plugin.PreferredAllocationRequest{
		ContainerRequests: []*plugin.ContainerPreferredAllocationRequest{
			{AvailableDeviceIDs: ids, AllocationSize: 1},
		},
	})
	if err != nil {
		return err
	}
	allocated, err := client.Allocate(ctx, &plugin.AllocateRequest{
		ContainerRequests: []*plugin.ContainerAllocateRequest{{DevicesIds: ids}},
	})
	if err != nil {
		return err
	}
	return show(map[string]any{
		"resource":  request.ResourceName,
		"devices":   len(list.Devices),
		"preferred": preferred.ContainerResponses[0].DeviceIDs,
		"envs":      allocated.ContainerResponses[0].Envs,
	})
}

func listPodResources(args []string) error {
	connection, err := dial(args[0])
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	client := podresources.NewPodResourcesListerClient(connection)
	response, err := client.List(ctx, &podresources.ListPodResourcesRequest{})
	if err != nil {
		return err
	}
	names := map[string][]string{}
	for _, pod := range response.PodResources {
		for _, container := range pod.Containers {
			for _, device := range container.Devices {
				key := pod.Namespace + "/" + pod.Name + "/" + container.Name
				names[key] = append(names[key], device.DeviceIds...)
			}
		}
	}
	return show(names)
}

func askRegistration(args []string) error {
	connection, err := dial(args[0])
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	client := registration.NewRegistrationClient(connection)
	info, err := client.GetInfo(ctx, &registration.InfoRequest{})
	if err != nil {
		return err
	}
	status := &registration.RegistrationStatus{PluginRegistered: true}
	if _, err := client.NotifyRegistrationStatus(ctx, status); err != nil {
		return err
	}
	return show(map[string]any{
		"type": info.Type, "name": info.Name, "endpoint": info.Endpoint, "versions": info.SupportedVersions,
	})
}
