// Prints, for each JSON line {schedule, zone, from} on stdin, what upstream's cron library says:
// why it refuses the schedule, or the next starts.
package main

import (
	"bufio"
	"encoding/json"
	"os"
	"time"
	_ "time/tzdata"

	"github.com/robfig/cron/v3"
)

const starts = 8

type question struct{ Schedule, Zone, From string }

type answer struct {
	Schedule string   `json:"schedule"`
	Zone     string   `json:"zone"`
	From     string   `json:"from"`
	Refused  string   `json:"refused,omitempty"`
	Next     []string `json:"next,omitempty"`
}

func ask(q question) answer {
	a := answer{Schedule: q.Schedule, Zone: q.Zone, From: q.From}
	schedule, err := cron.ParseStandard(q.Schedule)
	if err != nil {
		a.Refused = err.Error()
		return a
	}
	zone, err := time.LoadLocation(q.Zone)
	if err != nil {
		panic(err)
	}
	at, err := time.Parse(time.RFC3339, q.From)
	if err != nil {
		panic(err)
	}
	for at = at.In(zone); len(a.Next) < starts; {
		if at = schedule.Next(at); at.IsZero() {
			break
		}
		a.Next = append(a.Next, at.UTC().Format(time.RFC3339))
	}
	return a
}

func main() {
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var q question
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			panic(err)
		}
		if err := out.Encode(ask(q)); err != nil {
			panic(err)
		}
	}
}
