package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

var web = map[string][]string{
	"/":      {"/a", "/b", "/missing"},
	"/a":     {"/", "/a/one", "/b"},
	"/a/one": {"/a"},
	"/b":     {"/b/two", "/a"},
	"/b/two": {},
}

type crawler struct {
	mu      sync.Mutex
	visited map[string]bool

	wg     sync.WaitGroup
	limit  <-chan time.Time
	slots  chan struct{}
	broken chan string
	pages  atomic.Int64
}

func (c *crawler) isNew(url string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.visited[url] {
		return false
	}
	c.visited[url] = true
	return true
}

func (c *crawler) visit(url string) {
	defer c.wg.Done()
	<-c.limit             // not too often
	c.slots <- struct{}{} // not too many at a time
	defer func() { <-c.slots }()
	links, ok := web[url]
	if !ok {
		c.broken <- url
		return
	}
	c.pages.Add(1)
	for _, link := range links {
		if c.isNew(link) {
			c.wg.Add(1)
			go c.visit(link)
		}
	}
}

func main() {
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	c := &crawler{
		visited: map[string]bool{},
		limit:   ticker.C,
		slots:   make(chan struct{}, 2),
		broken:  make(chan string),
	}
	done := make(chan struct{})
	c.isNew("/")
	c.wg.Add(1)
	go c.visit("/")
	go func() {
		c.wg.Wait()
		close(done)
	}()

	for {
		select {
		case url := <-c.broken:
			fmt.Println("broken:", url)
		case <-time.After(5 * time.Second):
			fmt.Println("nothing happens any more")
			return
		case <-done:
			fmt.Println("pages:", c.pages.Load())
			return
		}
	}
}
