// Command h2spec holds an HTTP/2 server against the rules of its RFCs, and fails when one is broken.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/summerwind/h2spec"
	"github.com/summerwind/h2spec/config"
)

// Usage: h2spec PORT [SECTION...], as in "h2spec 2379 http2/5.1".
func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: h2spec PORT [SECTION...]")
		os.Exit(2)
	}
	port, err := strconv.Atoi(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	passed, err := h2spec.Run(&config.Config{
		Host:         "127.0.0.1",
		Port:         port,
		Path:         "/health",
		Timeout:      2 * time.Second,
		MaxHeaderLen: 4000,
		Strict:       true,
		Sections:     os.Args[2:],
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if !passed {
		os.Exit(1)
	}
}
