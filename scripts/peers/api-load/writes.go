package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// pod is a pod as a Deployment makes it: about 2.4 KB in the store with what the server adds.
func pod(i int) string {
	return fmt.Sprintf(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"%s",
"labels":{"app":"bench","tier":"t%d","pod-template-hash":"5d4f8c7b9"},
"annotations":{"bench/note":"a pod of the benchmark, as a Deployment would make it"},
"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"bench-5d4f8c7b9",
"uid":"9a1a9a68-3a6b-4c35-8f0b-0d3f6f1f7c11","controller":true,"blockOwnerDeletion":true}]},
"spec":{"containers":[{"name":"main","image":"registry.k8s.io/pause:3.10",
"command":["/pause","--verbose"],"ports":[{"name":"http","containerPort":8080}],
"env":[{"name":"A","value":"one"},{"name":"B","value":"two"},
{"name":"POD","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}}],
"resources":{"requests":{"cpu":"10m","memory":"16Mi"},"limits":{"memory":"64Mi"}},
"livenessProbe":{"httpGet":{"path":"/healthz","port":"http"},"periodSeconds":30},
"volumeMounts":[{"name":"data","mountPath":"/data"},{"name":"config","mountPath":"/etc/bench"}]}],
"volumes":[{"name":"data","emptyDir":{}},{"name":"config","configMap":{"name":"bench","optional":true}}],
"tolerations":[{"key":"bench","operator":"Exists","effect":"NoSchedule"}]}}`, podName(i), i%10)
}

// body is the i-th object: a pod, or what -object says.
func (s *session) body(i int) string {
	if s.object != "" {
		return fmt.Sprintf(s.object, podName(i))
	}
	return pod(i)
}

func podName(i int) string {
	return fmt.Sprintf("bench-%05d", i)
}

// inFlight does `count` pieces of work, o.clients at a time, and returns how long each took.
func (s *session) inFlight(count int, work func(i int) error) ([]time.Duration, time.Duration, error) {
	took := make([]time.Duration, count)
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	start := time.Now()
	for range s.options.clients {
		all.Go(func() {
			for failed.Load() == nil {
				i := int(next.Add(1)) - 1
				if i >= count {
					return
				}
				begin := time.Now()
				if err := work(i); err != nil {
					failed.CompareAndSwap(nil, &err)
				}
				took[i] = time.Since(begin)
			}
		})
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		return nil, 0, *err
	}
	return took, time.Since(start), nil
}

func create(s *session) (map[string]any, error) {
	return s.writes(func(i int) error {
		_, err := s.send(i, "POST", s.collection(), "application/json", s.body(s.first+i))
		return err
	})
}

func patch(s *session) (map[string]any, error) {
	return s.writes(func(i int) error {
		// Neighbours in time touch different pods: conflicts are another benchmark.
		return s.touch(i, i*7919%s.count, fmt.Sprintf("p%d", i))
	})
}

// touch sets a label of one pod by a merge patch.
func (s *session) touch(conn, i int, value string) error {
	body := fmt.Sprintf(`{"metadata":{"labels":{"touched":"%s"}}}`, value)
	_, err := s.send(conn, "PATCH", s.collection()+"/"+podName(i), "application/merge-patch+json", body)
	return err
}

func (s *session) writes(work func(i int) error) (map[string]any, error) {
	took, whole, err := s.inFlight(s.count, work)
	if err != nil {
		return nil, err
	}
	rate := float64(s.count) / whole.Seconds()
	return map[string]any{"rate": rate, "p50_ms": quantile(took, 0.5), "p99_ms": quantile(took, 0.99)}, nil
}

// atRate starts `work` rate times a second for the duration, whether earlier ones have ended or
// not, and returns how long each took, counted from when it was due. At most `clients` run at once.
func (s *session) atRate(work func(i int) error) ([]time.Duration, error) {
	count := int(s.duration.Seconds() * float64(s.rate))
	took := make([]time.Duration, count)
	slots := make(chan struct{}, s.options.clients)
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	start := time.Now()
	for i := 0; i < count && failed.Load() == nil; i++ {
		due := start.Add(time.Duration(float64(i) / float64(s.rate) * float64(time.Second)))
		time.Sleep(time.Until(due))
		slots <- struct{}{}
		all.Go(func() {
			if err := work(i); err != nil {
				failed.CompareAndSwap(nil, &err)
			}
			took[i] = time.Since(due)
			<-slots
		})
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		return nil, *err
	}
	return took, nil
}
