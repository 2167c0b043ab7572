package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// What a write's time of sending stands behind, in the event that it causes.
var sentMark = []byte(`"touched":"t`)

// watch opens s.clients watches of all pods from now on, writes s.rate times a second, and says how
// many events arrived and how long after their write was sent.
func watch(s *session) (map[string]any, error) {
	revision, err := s.revision()
	if err != nil {
		return nil, err
	}
	watchers := s.options.clients
	url := s.collection() + "?watch=1&allowWatchBookmarks=true&resourceVersion=" + revision
	bodies := make([]io.ReadCloser, watchers)
	for i := range bodies {
		response, err := s.open(i, "GET", url, "", "")
		if err != nil {
			return nil, err
		}
		bodies[i] = response.Body
	}
	var events atomic.Int64
	delays := make([][]time.Duration, watchers)
	var readers sync.WaitGroup
	for i, body := range bodies {
		readers.Go(func() { delays[i] = follow(body, &events) })
	}
	writer, err := newSession(s.options)
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	took, err := writer.atRate(func(i int) error {
		return writer.touch(i, i*7919%s.count, fmt.Sprintf("t%d", time.Now().UnixNano()))
	})
	if err != nil {
		return nil, err
	}
	writing := time.Since(begin)
	within := events.Load()
	expected := int64(len(took) * watchers)
	for last := time.Now(); events.Load() < expected && time.Since(last) < 20*time.Second; {
		time.Sleep(10 * time.Millisecond)
	}
	whole := time.Since(begin)
	for _, body := range bodies {
		body.Close()
	}
	readers.Wait()
	var all []time.Duration
	for _, each := range delays {
		all = append(all, each...)
	}
	return map[string]any{
		"writes": len(took), "expected": expected, "delivered": events.Load(),
		"within": within, "rate": float64(events.Load()) / whole.Seconds(),
		"write_rate":   float64(len(took)) / writing.Seconds(),
		"write_p50_ms": quantile(took, 0.5), "write_p99_ms": quantile(took, 0.99),
		"p50_ms": quantile(all, 0.5), "p99_ms": quantile(all, 0.99), "max_ms": quantile(all, 1),
	}, nil
}

// follow reads one watch until it is closed, and returns the delay of every event.
func follow(body io.Reader, events *atomic.Int64) []time.Duration {
	var delays []time.Duration
	lines := bufio.NewReaderSize(body, 32*1024)
	for {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			return delays
		}
		at := bytes.Index(line, sentMark)
		if at < 0 {
			continue
		}
		digits := line[at+len(sentMark):]
		sent, err := strconv.ParseInt(string(digits[:bytes.IndexByte(digits, '"')]), 10, 64)
		if err != nil {
			return delays
		}
		delays = append(delays, time.Since(time.Unix(0, sent)))
		events.Add(1)
	}
}

// revision is the newest that a list shows.
func (s *session) revision() (string, error) {
	response, err := s.open(0, "GET", s.collection()+"?limit=1", "", "")
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	var list struct {
		Metadata struct{ ResourceVersion string }
	}
	err = json.NewDecoder(response.Body).Decode(&list)
	return list.Metadata.ResourceVersion, err
}
