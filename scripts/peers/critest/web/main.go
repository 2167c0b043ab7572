// A web server that is known to the tests as nginx: by its name, its title and its pid file.
package main

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"syscall"
)

const (
	title   = "nginx: master process"
	program = "/usr/sbin/nginx"
	pidFile = "/var/run/nginx.pid"
)

func main() {
	if os.Args[0] != title {
		fail(syscall.Exec(program, []string{title}, os.Environ()))
	}
	fmt.Println("httpd serves")
	fail(os.WriteFile(pidFile, []byte(strconv.Itoa(os.Getpid())), 0o644))
	page := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "welcome") }
	fail(http.ListenAndServe(":"+os.Getenv("PORT"), http.HandlerFunc(page)))
}

func fail(err error) {
	if err != nil {
		panic(err)
	}
}
