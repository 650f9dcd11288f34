package main

import (
	"runtime"
	"sync"
	"time"
)

// Give everybody who has just been started the time to park.
func settle() {
	for range 3 {
		runtime.Gosched()
	}
}

func selectDone(r request) sample {
	count := r.number("count")
	done := make(chan int)
	work := make([]chan int, count)
	var all sync.WaitGroup
	for i := range work {
		work[i] = make(chan int)
		all.Add(1)
		go func(mine chan int) {
			defer all.Done()
			for {
				select {
				case <-done:
					return
				case <-mine:
				}
			}
		}(work[i])
	}
	settle()
	step := max(count/10, 1)
	started := time.Now()
	for i, at := 0, 0; i < r.N; i++ {
		work[at] <- i
		if at += step; at >= count {
			at = 0
		}
	}
	took := time.Since(started)
	close(done)
	all.Wait()
	return per(r.N, took)
}

func drain(c <-chan int, all *sync.WaitGroup) {
	defer all.Done()
	for range c {
	}
}

func amongWaiters(r request) sample {
	c := make(chan int)
	var all sync.WaitGroup
	for range r.number("count") {
		all.Add(1)
		go drain(c, &all)
	}
	settle()
	started := time.Now()
	produce(c, r.N)
	took := time.Since(started)
	close(c)
	all.Wait()
	return per(r.N, took)
}

func amongChannels(r request) sample {
	c := make([]chan int, r.number("count"))
	for i := range c {
		c[i] = make(chan int, 1)
	}
	started := time.Now()
	for i, at := 0, 0; i < r.N; i++ {
		c[at] <- i
		<-c[at]
		if at++; at == len(c) {
			at = 0
		}
	}
	return per(r.N, time.Since(started))
}

func amongGoroutines(r request) sample {
	idle, c := make(chan int), make(chan int)
	var all sync.WaitGroup
	for range r.number("count") {
		all.Add(1)
		go drain(idle, &all)
	}
	settle()
	started := time.Now()
	go produce(c, r.N)
	for range r.N {
		<-c
	}
	took := time.Since(started)
	close(idle)
	all.Wait()
	return per(r.N, took)
}
