package main

import (
	"sync"
	"time"
)

const parties = 4

func produce(c chan<- int, n int) {
	for i := range n {
		c <- i
	}
}

func seq(r request) sample {
	fill := r.number("cap")
	if fill == 0 {
		return sample{Unsupported: "a rendezvous needs two"}
	}
	c := make(chan int, fill)
	turns := max(r.N/fill, 1)
	started := time.Now()
	for range turns {
		for i := range fill {
			c <- i
		}
		for range fill {
			<-c
		}
	}
	return per(turns*fill, time.Since(started))
}

func several(c chan int, n, producers int) sample {
	each := max(n/producers, 1)
	started := time.Now()
	for range producers {
		go produce(c, each)
	}
	for range each * producers {
		<-c
	}
	return per(each*producers, time.Since(started))
}

func spsc(r request) sample  { return several(r.channel(), r.N, 1) }
func mpsc(r request) sample  { return several(r.channel(), r.N, parties) }
func fanIn(r request) sample { return several(r.channel(), r.N, 100) }

func mpmc(r request) sample {
	c := r.channel()
	each := max(r.N/parties, 1)
	var group sync.WaitGroup
	started := time.Now()
	for range parties {
		group.Add(2)
		go func() {
			defer group.Done()
			produce(c, each)
		}()
		go func() {
			defer group.Done()
			for range each {
				<-c
			}
		}()
	}
	group.Wait()
	return per(each*parties, time.Since(started))
}

func pingPong(r request) sample {
	ping, pong := make(chan int), make(chan int)
	started := time.Now()
	go func() {
		for range r.N {
			pong <- <-ping
		}
	}()
	for i := range r.N {
		ping <- i
		<-pong
	}
	return per(r.N, time.Since(started))
}
