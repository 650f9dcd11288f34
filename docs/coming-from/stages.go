package main

import (
	"fmt"
	"sync"
)

func generate(done <-chan struct{}, numbers ...int) <-chan int {
	out := make(chan int)
	go func() {
		defer close(out)
		for _, n := range numbers {
			select {
			case out <- n:
			case <-done:
				return
			}
		}
	}()
	return out
}

func square(done <-chan struct{}, in <-chan int) <-chan int {
	out := make(chan int)
	go func() {
		defer close(out)
		for n := range in {
			select {
			case out <- n * n:
			case <-done:
				return
			}
		}
	}()
	return out
}

func merge(done <-chan struct{}, inputs ...<-chan int) <-chan int {
	var wg sync.WaitGroup
	out := make(chan int)
	forward := func(in <-chan int) {
		defer wg.Done()
		for n := range in {
			select {
			case out <- n:
			case <-done:
				return
			}
		}
	}
	wg.Add(len(inputs))
	for _, in := range inputs {
		go forward(in)
	}
	go func() {
		wg.Wait()
		close(out)
	}()
	return out
}

func main() {
	done := make(chan struct{})
	defer close(done)

	in := generate(done, 2, 3, 4)
	total := 0
	for n := range merge(done, square(done, in), square(done, in)) {
		total += n
	}
	fmt.Println("total:", total)

	// only the first is wanted: done stops the others
	first := <-square(done, generate(done, 5, 6, 7))
	fmt.Println("first:", first)
}
