package main

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"
)

const (
	batch  = 1000
	fanout = 10
)

func spawnJoin(r request) sample {
	turns, each := max(r.N/batch, 1), min(r.N, batch)
	var group sync.WaitGroup
	started := time.Now()
	for range turns {
		group.Add(each)
		for range each {
			go group.Done()
		}
		group.Wait()
	}
	return per(turns*each, time.Since(started))
}

func node(answer chan<- int, number, size int) {
	if size == 1 {
		answer <- number
		return
	}
	c := make(chan int)
	size /= fanout
	for i := range fanout {
		go node(c, number+i*size, size)
	}
	total := 0
	for range fanout {
		total += <-c
	}
	answer <- total
}

func skynet(r request) sample {
	leaves := r.number("leaves")
	c := make(chan int)
	started := time.Now()
	go node(c, 0, leaves)
	total := <-c
	took := time.Since(started)
	if total != leaves*(leaves-1)/2 {
		panic(total)
	}
	return whole(took)
}

// The bytes of memory that this process occupies.
func resident() float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(status) {
		if bytes.HasPrefix(line, []byte("VmRSS:")) {
			kb, _ := strconv.Atoi(string(bytes.Fields(line)[1]))
			return float64(kb) * 1024
		}
	}
	return 0
}

// parked has no cancelling: in Go, too, that is closing a channel.
func parked(r request) sample {
	count := r.number("count")
	gate := make(chan int)
	before := resident()
	others := runtime.NumGoroutine()
	var begun, ended sync.WaitGroup
	begun.Add(count)
	ended.Add(count)
	started := time.Now()
	for range count {
		go func() {
			begun.Done()
			<-gate
			ended.Done()
		}()
	}
	begun.Wait()
	runtime.Gosched()
	spawn := time.Since(started)
	weight := resident() - before
	started = time.Now()
	close(gate)
	ended.Wait()
	wake := time.Since(started)
	for runtime.NumGoroutine() > others {
		runtime.Gosched()
	}
	each := func(took time.Duration) float64 {
		return float64(took.Nanoseconds()) / float64(count)
	}
	return sample{
		Seconds: (spawn + wake).Seconds(),
		Values: map[string]float64{
			"bytes": weight / float64(count), "spawn": each(spawn), "wake": each(wake),
		},
	}
}
