package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

func produce(ctx context.Context, numbers chan<- int) error {
	defer close(numbers)
	for n := 1; n <= 10; n++ {
		select {
		case numbers <- n:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func square(ctx context.Context, numbers <-chan int, squares chan<- int) error {
	for n := range numbers {
		select {
		case squares <- n * n:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	numbers, squares := make(chan int), make(chan int, 10)
	group.Go(func() error { return produce(ctx, numbers) })
	for range 3 {
		group.Go(func() error { return square(ctx, numbers, squares) })
	}
	if err := group.Wait(); err != nil {
		fmt.Println("error:", err)
	}
	close(squares)
	sum := 0
	for n := range squares {
		sum += n
	}
	fmt.Println("sum:", sum)
}
