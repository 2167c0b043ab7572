// api-load asks an apiserver for the same work whoever serves it, and prints what came of it as one
// line of JSON. It knows HTTP alone, so its own share of the machine is the same on both sides.
//
//	api-load [flags] create    creates pods, a number in flight
//	api-load [flags] patch     merge-patches one label of pods that `create` made
//	api-load [flags] list      lists the pods, whole or in pages
//	api-load [flags] watch     opens watches, patches at a rate, counts and times what arrives
//	api-load [flags] listing   writes at a rate while another client lists everything each second
//
// With -path and -object the same work is about objects of another kind.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sort"
	"time"
)

type options struct {
	server, ca, cert, key, namespace string
	path, object                     string
	accept, resourceVersion          string
	count, first, clients, conns     int
	limit, rate                      int
	duration                         time.Duration
	gzip                             bool
}

func main() {
	o := options{}
	flag.StringVar(&o.server, "server", "", "https://host:port")
	flag.StringVar(&o.ca, "ca", "", "the server's CA, PEM")
	flag.StringVar(&o.cert, "cert", "", "the client's certificate, PEM")
	flag.StringVar(&o.key, "key", "", "its key, PEM")
	flag.StringVar(&o.namespace, "namespace", "default", "where the pods are")
	flag.StringVar(&o.path, "path", "", "the collection, where it is not the namespace's pods")
	flag.StringVar(&o.object, "object", "", "an object of it, with %s for its name; a pod by default")
	flag.StringVar(&o.accept, "accept", "application/json", "what lists and watches are asked for as")
	flag.StringVar(&o.resourceVersion, "resource-version", "", "of lists; 0 means any state")
	flag.IntVar(&o.count, "count", 1000, "pods, or lists")
	flag.IntVar(&o.first, "first", 0, "the number of the first pod to create")
	flag.IntVar(&o.clients, "clients", 50, "requests in flight, or watches")
	flag.IntVar(&o.conns, "conns", 4, "connections")
	flag.IntVar(&o.limit, "limit", 0, "objects of a page; 0 for all at once")
	flag.IntVar(&o.rate, "rate", 200, "writes a second")
	flag.DurationVar(&o.duration, "duration", 10*time.Second, "how long")
	flag.BoolVar(&o.gzip, "gzip", false, "ask for compressed answers")
	flag.Parse()
	works := map[string]func(*session) (map[string]any, error){
		"create": create, "patch": patch, "list": list, "watch": watch, "listing": listing,
	}
	work := works[flag.Arg(0)]
	if work == nil {
		fmt.Fprintln(os.Stderr, "api-load [flags] create|patch|list|watch|listing")
		os.Exit(2)
	}
	said, err := run(o, work)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	json.NewEncoder(os.Stdout).Encode(said)
}

func run(o options, work func(*session) (map[string]any, error)) (map[string]any, error) {
	s, err := newSession(o)
	if err != nil {
		return nil, err
	}
	return work(s)
}

// quantile of durations, in milliseconds; it sorts them.
func quantile(all []time.Duration, q float64) float64 {
	if len(all) == 0 {
		return 0
	}
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	at := int(q * float64(len(all)))
	if at >= len(all) {
		at = len(all) - 1
	}
	return float64(all[at].Microseconds()) / 1000
}
