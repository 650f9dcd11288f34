package main

import (
	"sync"
	"time"
)

func receiveAny(c [parties]chan int, n int) {
	for range n {
		select {
		case <-c[0]:
		case <-c[1]:
		case <-c[2]:
		case <-c[3]:
		}
	}
}

func sendAny(c [parties]chan int, n int) {
	for i := range n {
		select {
		case c[0] <- i:
		case c[1] <- i:
		case c[2] <- i:
		case c[3] <- i:
		}
	}
}

func channels(r request) (c [parties]chan int) {
	for i := range c {
		c[i] = r.channel()
	}
	return c
}

func selectRx(r request) sample {
	c := channels(r)
	each := max(r.N/parties, 1)
	started := time.Now()
	for _, one := range c {
		go produce(one, each)
	}
	receiveAny(c, each*parties)
	return per(each*parties, time.Since(started))
}

func selectBoth(r request) sample {
	c := channels(r)
	each := max(r.N/parties, 1)
	var group sync.WaitGroup
	started := time.Now()
	for range parties {
		for _, work := range []func([parties]chan int, int){sendAny, receiveAny} {
			group.Add(1)
			go func() {
				defer group.Done()
				work(c, each)
			}()
		}
	}
	group.Wait()
	return per(each*parties, time.Since(started))
}

func selectReady(r request) sample {
	a, b := make(chan int, 1), make(chan int, 1)
	a <- 1
	b <- 2
	started := time.Now()
	for range r.N {
		select {
		case v := <-a:
			a <- v
		case v := <-b:
			b <- v
		}
	}
	return per(r.N, time.Since(started))
}
