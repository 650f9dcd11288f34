package main

import (
	"sync"
	"time"
)

const ringSize = 503

func threadring(r request) sample {
	var ring [ringSize]chan int
	for i := range ring {
		ring[i] = make(chan int)
	}
	finish := make(chan int, 1)
	for i := range ring {
		in, out := ring[i], ring[(i+1)%ringSize]
		go func() {
			for left := range in {
				if left == 0 {
					finish <- left
				} else {
					out <- left - 1
				}
			}
		}()
	}
	started := time.Now()
	ring[0] <- r.N
	<-finish
	took := time.Since(started)
	for _, c := range ring {
		close(c)
	}
	return per(r.N, took)
}

// The chain of the Go specification; its end is not timed. A filter that nobody
// reads from any more drains its input until the generator has stopped.
func sieve(r request) sample {
	primes := r.number("primes")
	quit := make(chan struct{})
	var chain sync.WaitGroup
	c := make(chan int)
	started := time.Now()
	chain.Add(1)
	go func(out chan<- int) {
		defer chain.Done()
		defer close(out)
		for i := 2; ; i++ {
			select {
			case out <- i:
			case <-quit:
				return
			}
		}
	}(c)
	for range primes {
		prime := <-c
		after := make(chan int)
		chain.Add(1)
		go func(in <-chan int, out chan<- int) {
			defer chain.Done()
			defer close(out)
			for i := range in {
				if i%prime != 0 {
					out <- i
				}
			}
		}(c, after)
		c = after
	}
	took := time.Since(started)
	close(quit)
	for range c {
	}
	chain.Wait()
	return whole(took)
}
