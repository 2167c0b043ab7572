// An operator of kubebuilder's shape on controller-runtime: the manager, its leader election,
// metrics, and the webhooks of Site. Two copies run, each with ports of its own.
package main

import (
	"flag"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
)

func main() {
	port := flag.Int("webhook-port", 9443, "port of the webhooks")
	certDir := flag.String("cert-dir", "", "folder of tls.crt and tls.key")
	metrics := flag.String("metrics-bind-address", "127.0.0.1:8080", "where metrics are")
	flag.Parse()
	ctrl.SetLogger(zap.New())
	if err := run(*port, *certDir, *metrics); err != nil {
		ctrl.Log.Error(err, "the operator ended")
		os.Exit(1)
	}
}

func run(port int, certDir, metrics string) error {
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return err
	}
	addToScheme(scheme)
	lease, renew, retry := 5*time.Second, 4*time.Second, time.Second
	mgr, err := ctrl.NewManager(ctrl.GetConfigOrDie(), ctrl.Options{
		Scheme:                  scheme,
		Metrics:                 server.Options{BindAddress: metrics},
		WebhookServer:           webhook.NewServer(webhook.Options{Port: port, CertDir: certDir}),
		LeaderElection:          true,
		LeaderElectionID:        "site-operator",
		LeaderElectionNamespace: "default",
		LeaseDuration:           &lease, RenewDeadline: &renew, RetryPeriod: &retry,
	})
	if err != nil {
		return err
	}
	if err := setUpController(mgr); err != nil {
		return err
	}
	if err := setUpWebhooks(mgr); err != nil {
		return err
	}
	return mgr.Start(ctrl.SetupSignalHandler())
}
