// Upstream's mock CSI driver (its own e2e tests use it), on the socket that is named:
//
//	csi-mock-driver SOCKET NAME
//
// Volumes are kept in memory, attached and expanded on their node. The node has the driver's name.
package main

import (
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/kubernetes/test/e2e/storage/drivers/csi-test/driver"
	"k8s.io/kubernetes/test/e2e/storage/drivers/csi-test/mock/service"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "csi-mock-driver SOCKET NAME")
		os.Exit(2)
	}
	listener, err := net.Listen("unix", os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	config := service.Config{DriverName: os.Args[2], NodeExpansionRequired: true}
	mock := service.New(config)
	servers := &driver.CSIDriverServers{Controller: mock, Identity: mock, Node: mock}
	served := driver.NewCSIDriver(servers)
	if err := served.Start(listener, nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	<-stop
	served.Stop()
}
