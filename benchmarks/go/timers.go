package main

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

func timers(r request) sample {
	count := r.number("count")
	var fired atomic.Int64
	fire := func() { fired.Add(1) }
	stops := make([]*time.Timer, count)
	started := time.Now()
	for i := range stops {
		after := 100*time.Second + time.Duration(i)*time.Millisecond
		stops[i] = time.AfterFunc(after, fire)
	}
	setAll := time.Since(started)
	started = time.Now()
	for _, timer := range stops {
		timer.Stop()
	}
	stopAll := time.Since(started)
	started = time.Now()
	for range count {
		time.AfterFunc(time.Microsecond, fire)
	}
	for fired.Load() < int64(count) {
		runtime.Gosched()
	}
	fireAll := time.Since(started)
	each := func(took time.Duration) float64 {
		return float64(took.Nanoseconds()) / float64(count)
	}
	return sample{
		Seconds: (setAll + stopAll + fireAll).Seconds(),
		Values: map[string]float64{
			"set": each(setAll), "stop": each(stopAll), "fire": each(fireAll),
		},
	}
}

func mutexContended(r request) sample {
	var mutex sync.Mutex
	var all sync.WaitGroup
	each := max(r.N/parties, 1)
	started := time.Now()
	for range parties {
		all.Add(1)
		go func() {
			defer all.Done()
			for range each {
				mutex.Lock()
				runtime.Gosched()
				mutex.Unlock()
			}
		}()
	}
	all.Wait()
	return per(each*parties, time.Since(started))
}
