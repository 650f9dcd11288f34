module gochan/benchmarks

go 1.24
