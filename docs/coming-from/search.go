package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

type userKey struct{}

type answer struct {
	text string
	err  error
}

// query takes its time, unless the context ends before.
func query(ctx context.Context, words string, takes time.Duration) (string, error) {
	timer := time.NewTimer(takes)
	defer timer.Stop()
	select {
	case <-timer.C:
		user, _ := ctx.Value(userKey{}).(string)
		return fmt.Sprintf("%s, for %s", words, user), nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// fastest asks all replicas, and cancels those that are slower than the first.
func fastest(ctx context.Context, words string, replicas ...time.Duration) (string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan answer, len(replicas))
	for _, takes := range replicas {
		go func() {
			text, err := query(ctx, words, takes)
			answers <- answer{text, err}
		}()
	}
	first := <-answers
	return first.text, first.err
}

func main() {
	ctx := context.WithValue(context.Background(), userKey{}, "ada")

	text, err := fastest(ctx, "channels", time.Hour, 10*time.Millisecond, time.Minute)
	fmt.Println(text, err)

	ctx, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	_, err = fastest(ctx, "too slow", time.Hour, time.Minute)
	if errors.Is(err, context.DeadlineExceeded) {
		fmt.Println("gave up:", err)
	}
}
