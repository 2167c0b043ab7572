package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"sync"
	"time"
)

// listOnce lists all pods, page after page, and returns the bytes that came.
func (s *session) listOnce(i int) (int64, error) {
	var bytes int64
	token := ""
	for {
		query := url.Values{}
		if s.limit > 0 {
			query.Set("limit", fmt.Sprint(s.limit))
		}
		if s.resourceVersion != "" && token == "" {
			query.Set("resourceVersion", s.resourceVersion)
		}
		if token != "" {
			query.Set("continue", token)
		}
		response, err := s.open(i, "GET", s.collection()+"?"+query.Encode(), "", "")
		if err != nil {
			return 0, err
		}
		if s.limit == 0 {
			defer response.Body.Close()
			return io.Copy(io.Discard, response.Body)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil {
			return 0, err
		}
		bytes += int64(len(body))
		if token, err = continueOf(body); err != nil {
			return 0, err
		}
		if token == "" {
			return bytes, nil
		}
	}
}

// continueOf reads a list's head alone: metadata comes before the items on both sides.
func continueOf(body []byte) (string, error) {
	head := body[:min(len(body), 2048)]
	for end := len(head); end > 0; end-- {
		if head[end-1] != '[' {
			continue
		}
		var list struct {
			Metadata struct{ Continue string }
		}
		if json.Unmarshal(append(append([]byte{}, head[:end]...), []byte("]}")...), &list) == nil {
			return list.Metadata.Continue, nil
		}
	}
	return "", fmt.Errorf("the list has no head: %.200s", body)
}

func list(s *session) (map[string]any, error) {
	var took []time.Duration
	var bytes int64
	for i := range s.count {
		begin := time.Now()
		n, err := s.listOnce(i)
		if err != nil {
			return nil, err
		}
		bytes = n
		took = append(took, time.Since(begin))
	}
	return map[string]any{"p50_ms": quantile(took, 0.5), "max_ms": quantile(took, 1), "bytes": bytes}, nil
}

// listing writes at a rate, on connections of its own, while a list begins each second.
func listing(s *session) (map[string]any, error) {
	lister, err := newSession(s.options)
	if err != nil {
		return nil, err
	}
	done := make(chan struct{})
	var lists []time.Duration
	var failed error
	var reader sync.WaitGroup
	reader.Go(func() {
		for i := 0; ; i++ {
			begin := time.Now()
			if _, failed = lister.listOnce(i); failed != nil {
				return
			}
			lists = append(lists, time.Since(begin))
			select {
			case <-done:
				return
			case <-time.After(time.Until(begin.Add(time.Second))):
			}
		}
	})
	took, err := s.atRate(func(i int) error {
		return s.touch(i, i*7919%s.count, fmt.Sprintf("l%d", i))
	})
	close(done)
	reader.Wait()
	if err != nil || failed != nil {
		return nil, fmt.Errorf("writes: %v, lists: %v", err, failed)
	}
	return map[string]any{
		"write_p50_ms": quantile(took, 0.5), "write_p99_ms": quantile(took, 0.99),
		"list_p50_ms": quantile(lists, 0.5), "lists": len(lists),
	}, nil
}
