"""Go's own tests of channels, select and goroutines, written for gochan."""
