package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

// session is one client with several connections, used in turn.
type session struct {
	options
	clients []*http.Client
}

func newSession(o options) (*session, error) {
	pem, err := os.ReadFile(o.ca)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	pair, err := tls.LoadX509KeyPair(o.cert, o.key)
	if err != nil {
		return nil, err
	}
	s := &session{options: o}
	for range o.conns {
		s.clients = append(s.clients, &http.Client{Transport: &http.Transport{
			TLSClientConfig:    &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}},
			ForceAttemptHTTP2:  true,
			DisableCompression: !o.gzip,
		}})
	}
	return s, nil
}

// collection is where the objects are.
func (s *session) collection() string {
	if s.path != "" {
		return s.server + s.path
	}
	return s.server + "/api/v1/namespaces/" + s.namespace + "/pods"
}

// open sends a request on the i-th connection; the caller closes the body.
func (s *session) open(i int, method, url, contentType, body string) (*http.Response, error) {
	request, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != "" {
		request.Header.Set("content-type", contentType)
	}
	request.Header.Set("accept", s.accept)
	response, err := s.clients[i%len(s.clients)].Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= 300 {
		text, _ := io.ReadAll(response.Body)
		response.Body.Close()
		return nil, fmt.Errorf("%s %s: %s: %s", method, url, response.Status, text)
	}
	return response, nil
}

// send does the same and throws the answer away; it returns its bytes' number.
func (s *session) send(i int, method, url, contentType, body string) (int64, error) {
	response, err := s.open(i, method, url, contentType, body)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	return io.Copy(io.Discard, response.Body)
}
