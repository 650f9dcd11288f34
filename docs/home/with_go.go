package main

import "fmt"

func square(numbers <-chan int, squares chan<- int) {
	for n := range numbers {
		squares <- n * n
	}
}

func main() {
	numbers, squares := make(chan int), make(chan int)
	for range 3 {
		go square(numbers, squares)
	}
	go func() {
		for n := range 10 {
			numbers <- n
		}
		close(numbers)
	}()
	sum := 0
	for range 10 {
		sum += <-squares
	}
	fmt.Println(sum)
}
