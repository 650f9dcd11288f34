// The shapes of benchmarks/shapes in Go, for comparison.
//
// Reads a request per line, {"shape": "spsc", "n": 1000, "params": {"cap": 0}}, and
// answers each with {"seconds": 0.1, "values": {"ns": 34.5}}, as worker.py does.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"time"
)

type request struct {
	Shape  string         `json:"shape"`
	N      int            `json:"n"`
	Params map[string]any `json:"params"`
}

// The number that a parameter has.
func (r request) number(name string) int {
	value, ok := r.Params[name].(float64)
	if !ok {
		panic("no number for " + name)
	}
	return int(value)
}

// A new channel of the capacity that the request wants; none is without a bound.
func (r request) channel() chan int { return make(chan int, r.number("cap")) }

type sample struct {
	Seconds     float64            `json:"seconds"`
	Values      map[string]float64 `json:"values,omitempty"`
	Unsupported string             `json:"unsupported,omitempty"`
}

func per(operations int, took time.Duration) sample {
	ns := float64(took.Nanoseconds()) / float64(operations)
	return sample{Seconds: took.Seconds(), Values: map[string]float64{"ns": ns}}
}

func whole(took time.Duration) sample {
	ms := float64(took.Nanoseconds()) / 1e6
	return sample{Seconds: took.Seconds(), Values: map[string]float64{"ms": ms}}
}

var shapes = map[string]func(request) sample{
	"seq": seq, "spsc": spsc, "mpsc": mpsc, "mpmc": mpmc, "fan_in": fanIn,
	"ping_pong": pingPong, "select_rx": selectRx, "select_both": selectBoth,
	"select_ready": selectReady, "threadring": threadring, "sieve": sieve,
	"skynet": skynet, "spawn_join": spawnJoin, "parked": parked,
	"select_done": selectDone, "among_waiters": amongWaiters,
	"among_channels": amongChannels, "among_goroutines": amongGoroutines,
	"timers": timers, "mutex_contended": mutexContended,
}

func measure(r request) sample {
	shape, ok := shapes[r.Shape]
	if !ok {
		return sample{Unsupported: "no " + r.Shape + " in Go"}
	}
	if capacity, ok := r.Params["cap"]; ok && capacity == nil {
		return sample{Unsupported: "no unbounded channel"}
	}
	runtime.GC()
	return shape(r)
}

func main() {
	answers := json.NewEncoder(os.Stdout)
	answers.Encode(map[string]any{
		"ready": map[string]string{"go": runtime.Version()}, "smallest": 0,
	})
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var r request
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		answers.Encode(measure(r))
	}
}
