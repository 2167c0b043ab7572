// Checks a history of a register with porcupine: the same that compare.ts checks.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/anishathalye/porcupine"
)

type call struct {
	Began, Ended int64
	// Write is nil for a read.
	Write *int
	Read  int
}

// processorTime is what this process has used: on a busy machine the clock on the wall says little.
func processorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func main() {
	var calls []call
	if err := json.NewDecoder(os.Stdin).Decode(&calls); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	register := porcupine.Model{
		Init: func() interface{} { return 0 },
		Step: func(state, input, output interface{}) (bool, interface{}) {
			if write := input.(*int); write != nil {
				return true, *write
			}
			return output.(int) == state.(int), state
		},
	}
	operations := make([]porcupine.Operation, len(calls))
	for i, c := range calls {
		operations[i] = porcupine.Operation{Input: c.Write, Call: c.Began, Output: c.Read, Return: c.Ended}
	}
	best := time.Hour
	linearizable := false
	for round := 0; round < 10; round++ {
		began := processorTime()
		linearizable = porcupine.CheckOperations(register, operations)
		if took := processorTime() - began; took < best {
			best = took
		}
	}
	fmt.Printf("{\"linearizable\": %v, \"ms\": %.3f}\n", linearizable, float64(best.Microseconds())/1000)
}
