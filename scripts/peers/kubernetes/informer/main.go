// informer follows the ConfigMaps of a namespace with client-go, and changes one of them, until its
// input ends. Then it prints as one line of JSON how many requests it made, which of them failed, and
// which objects its informer does not know as a list at the end shows them.
//
//	informer KUBECONFIG NAMESPACE NAME
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

type result struct {
	mutex    sync.Mutex
	Requests int      `json:"requests"`
	Failed   []string `json:"failed"`
	Missed   []string `json:"missed"`
}

// seen passes requests on, and notes those that are not answered, or with a status of the server's.
type seen struct {
	next http.RoundTripper
	*result
}

func (s seen) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := s.next.RoundTrip(request)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.Requests++
	at := fmt.Sprintf("%s %s at %s: ", request.Method, request.URL.Path, time.Now().UTC().Format(time.RFC3339Nano))
	if err != nil {
		s.Failed = append(s.Failed, at+err.Error())
	} else if response.StatusCode >= 400 {
		s.Failed = append(s.Failed, at+response.Status)
	}
	return response, err
}

func main() {
	kubeconfig, namespace, name := os.Args[1], os.Args[2], os.Args[3]
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	must(err)
	found := &result{Failed: []string{}, Missed: []string{}}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return seen{next, found} })
	config.QPS, config.Burst = 1000, 1000
	client, err := kubernetes.NewForConfig(config)
	must(err)
	ctx := context.Background()
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(namespace))
	known := factory.Core().V1().ConfigMaps().Lister()
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	ended := make(chan struct{})
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	maps := client.CoreV1().ConfigMaps(namespace)
	if _, err := maps.Create(ctx, &core.ConfigMap{ObjectMeta: meta.ObjectMeta{Name: name}}, meta.CreateOptions{}); err != nil {
		must(err)
	}
	for turn := 0; ; turn++ {
		patch := fmt.Sprintf(`{"data":{"turn":"%d"}}`, turn)
		maps.Patch(ctx, name, types.MergePatchType, []byte(patch), meta.PatchOptions{})
		select {
		case <-ended:
			list, err := maps.List(ctx, meta.ListOptions{})
			must(err)
			for _, item := range list.Items {
				for tries := 0; ; tries++ {
					one, err := known.ConfigMaps(namespace).Get(item.Name)
					if err == nil && revision(one) >= revision(&item) {
						break
					}
					if tries == 100 {
						found.Missed = append(found.Missed, item.Name)
						break
					}
					time.Sleep(100 * time.Millisecond)
				}
			}
			must(maps.Delete(ctx, name, meta.DeleteOptions{}))
			found.mutex.Lock()
			must(json.NewEncoder(os.Stdout).Encode(found))
			return
		case <-time.After(30 * time.Millisecond):
		}
	}
}

// revision is a number on servers of Kubernetes; others may have changed an object since the list.
func revision(of *core.ConfigMap) uint64 {
	number, err := strconv.ParseUint(of.ResourceVersion, 10, 64)
	must(err)
	return number
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
