// The rows of ../delay.c that the other Go program lacks, in Go: same work, same output.
package main

import (
	"fmt"
	"os"
	"sort"
	"strconv"
	"sync"
	"syscall"
	"time"
)

func cpuNs() int64 {
	var r syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return r.Utime.Nano() + r.Stime.Nano()
}

func spawn1000(scale int) {
	batches := 1000000/scale/1000 + 1
	var wg sync.WaitGroup
	cpu, begin := cpuNs(), time.Now()
	for b := 0; b < batches; b++ {
		wg.Add(1000)
		for i := 0; i < 1000; i++ {
			go wg.Done()
		}
		wg.Wait()
	}
	n := float64(batches * 1000)
	wall := time.Since(begin)
	fmt.Printf("spawn1000 %.3f ns/op\nspawn1000_cpu %.3f ns/op\n", float64(wall.Nanoseconds())/n, float64(cpuNs()-cpu)/n)
}

func delays(name string, hog func(until time.Time)) {
	const probes = 4
	var wg sync.WaitGroup
	late := make([][]float64, probes)
	until := time.Now().Add(time.Second)
	wg.Add(probes + 1)
	for i := range late {
		go func(i int) {
			for time.Now().Before(until) {
				due := time.Now().Add(time.Millisecond)
				time.Sleep(time.Millisecond)
				late[i] = append(late[i], float64(time.Since(due).Nanoseconds())/1e3)
			}
			wg.Done()
		}(i)
	}
	time.Sleep(5 * time.Millisecond)
	go func() {
		hog(until)
		wg.Done()
	}()
	wg.Wait()
	var all []float64
	for _, l := range late {
		all = append(all, l...)
	}
	sort.Float64s(all)
	fmt.Printf("%s_late50 %.3f us\n%s_late99 %.3f us\n", name, all[len(all)/2], name, all[len(all)*99/100])
}

func main() {
	scale := 1
	if s, err := strconv.Atoi(os.Getenv("SCALE")); err == nil && s > 0 {
		scale = s
	}
	for _, row := range os.Args[1:] {
		switch row {
		case "spawn1000":
			spawn1000(scale)
		case "hog":
			delays("spin", func(until time.Time) {
				for time.Now().Before(until) {
				}
			})
		case "block":
			delays("block", func(time.Time) {
				second := syscall.Timespec{Sec: 1}
				syscall.Nanosleep(&second, nil)
			})
		}
	}
}
