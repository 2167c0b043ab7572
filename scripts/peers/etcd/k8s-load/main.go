// Command k8s-load does to a store what an apiserver does: objects under leases or without are
// updated by transactions on their revision, and watched by prefix. It prints what it got done.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Resources are the prefixes that objects live under; an apiserver watches each once.
const resources = 10

func main() {
	endpoints := flag.String("endpoints", "127.0.0.1:2379", "comma-separated")
	objects := flag.Int("objects", 1000, "how many there are")
	writers := flag.Int("writers", 50, "updates under way at once")
	total := flag.Int("total", 20000, "updates in all")
	size := flag.Int("size", 1500, "bytes of an object")
	flag.Parse()
	if err := run(strings.Split(*endpoints, ","), *objects, *writers, *total, *size); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func key(object int) string {
	return fmt.Sprintf("/registry/resource-%d/namespace/object-%d", object%resources, object)
}

func run(endpoints []string, objects, writers, total, size int) error {
	client, err := clientv3.New(clientv3.Config{Endpoints: endpoints, DialTimeout: 5 * time.Second})
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	lease, err := client.Grant(ctx, 3600)
	if err != nil {
		return err
	}
	value := strings.Repeat("x", size)
	var created sync.WaitGroup
	for w := 0; w < writers; w++ {
		created.Add(1)
		go func() {
			defer created.Done()
			for i := w; i < objects; i += writers {
				if _, err := client.Put(ctx, key(i), value, underLease(i, lease.ID)...); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
			}
		}()
	}
	created.Wait()
	events := watchAll(ctx, client)
	begin := time.Now()
	var next, conflicts atomic.Int64
	var updates sync.WaitGroup
	for w := 0; w < writers; w++ {
		updates.Add(1)
		go func() {
			defer updates.Done()
			for {
				n := next.Add(1)
				if n > int64(total) {
					return
				}
				// Neighbours in time are no neighbours in the key space.
				object := int(n*7919) % objects
				update(ctx, client, object, value, lease.ID, &conflicts)
			}
		}()
	}
	updates.Wait()
	for wanted := int64(total); events.Load() < wanted; {
		time.Sleep(time.Millisecond)
	}
	seconds := time.Since(begin).Seconds()
	fmt.Printf("updates/s: %.1f\nconflicts: %d\n", float64(total)/seconds, conflicts.Load())
	return nil
}

// One object in ten lives under a lease, as events and endpoints of a master do.
func underLease(object int, id clientv3.LeaseID) []clientv3.OpOption {
	if object%10 != 0 {
		return nil
	}
	return []clientv3.OpOption{clientv3.WithLease(id)}
}

// update reads an object and writes it where nobody was faster; otherwise again with what is there.
func update(
	ctx context.Context, client *clientv3.Client, object int, value string,
	lease clientv3.LeaseID, conflicts *atomic.Int64,
) {
	name := key(object)
	read, err := client.Get(ctx, name)
	check(err)
	revision := read.Kvs[0].ModRevision
	for {
		answer, err := client.Txn(ctx).
			If(clientv3.Compare(clientv3.ModRevision(name), "=", revision)).
			Then(clientv3.OpPut(name, value, underLease(object, lease)...)).
			Else(clientv3.OpGet(name)).
			Commit()
		check(err)
		if answer.Succeeded {
			return
		}
		conflicts.Add(1)
		revision = answer.Responses[0].GetResponseRange().Kvs[0].ModRevision
	}
}

// watchAll counts what the watches of all resources deliver, previous values included.
func watchAll(ctx context.Context, client *clientv3.Client) *atomic.Int64 {
	var events atomic.Int64
	for r := 0; r < resources; r++ {
		prefix := fmt.Sprintf("/registry/resource-%d/", r)
		opened := make(chan struct{})
		go func() {
			options := []clientv3.OpOption{
				clientv3.WithPrefix(), clientv3.WithPrevKV(), clientv3.WithCreatedNotify(),
			}
			for response := range client.Watch(clientv3.WithRequireLeader(ctx), prefix, options...) {
				if response.Created {
					close(opened)
				}
				events.Add(int64(len(response.Events)))
			}
		}()
		<-opened
	}
	return &events
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
