// Checks histories of texts under keys with porcupine: the same that compare.ts checks.
package main

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"os"
	"syscall"
	"time"

	"github.com/anishathalye/porcupine"
)

const rounds = 10

type call struct {
	Began, Ended int64
	Operation    string
	Text         string
}

// processorTime is what this process has used: on a busy machine the clock on the wall says little.
func processorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

var text = porcupine.Model{
	Init: func() any { return "" },
	Step: func(state, input, _ any) (bool, any) {
		switch c := input.(*call); c.Operation {
		case "put":
			return true, c.Text
		case "append":
			return true, state.(string) + c.Text
		default:
			return c.Text == state.(string), state
		}
	},
	Hash: func(state any) uint64 {
		hash := fnv.New64a()
		hash.Write([]byte(state.(string)))
		return hash.Sum64()
	},
}

func main() {
	// One history for each key.
	var histories [][]call
	if err := json.NewDecoder(os.Stdin).Decode(&histories); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	best := time.Hour
	linearizable := false
	for range rounds {
		began := processorTime()
		linearizable = true
		for _, calls := range histories {
			operations := make([]porcupine.Operation, len(calls))
			for i := range calls {
				c := &calls[i]
				operations[i] = porcupine.Operation{Input: c, Call: c.Began, Return: c.Ended}
			}
			linearizable = porcupine.CheckOperations(text, operations) && linearizable
		}
		best = min(best, processorTime()-began)
	}
	fmt.Printf("{\"linearizable\": %v, \"ms\": %.3f}\n", linearizable, float64(best.Microseconds())/1000)
}
