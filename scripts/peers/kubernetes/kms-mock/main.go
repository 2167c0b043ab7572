// kms-mock is upstream's mock of a KMS plugin (v2) as a program: it "encrypts" in base64 until its
// standard input ends. Each line of it does one thing: rotate, fail, recover.
package main

import (
	"bufio"
	"fmt"
	"os"
	"testing"

	mock "k8s.io/apiserver/pkg/storage/value/encrypt/envelope/testing/v2"
)

// reporter is the part of a test that the mock needs.
type reporter struct{ testing.TB }

func (reporter) Cleanup(func()) {}

func (reporter) Fatalf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}

// Errorf is called for calls that kube-apiserver would not make.
func (r reporter) Errorf(format string, args ...any) {
	r.Fatalf(format, args...)
}

func main() {
	plugin := mock.NewBase64Plugin(reporter{}, os.Args[1])
	defer plugin.CleanUp()
	fmt.Println("ready")
	commands := map[string]func(){
		"rotate":  plugin.UpdateKeyID,
		"fail":    plugin.EnterFailedState,
		"recover": plugin.ExitFailedState,
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		commands[lines.Text()]()
		fmt.Println("ready")
	}
}
