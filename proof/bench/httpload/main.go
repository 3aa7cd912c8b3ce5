package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "httpload:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	url := flag.String("url", "", "a running system; default: start one from --binary")
	binary := flag.String("binary", "bin/foldlog", "the foldlog binary to start where --url is not given")
	duration := flag.Duration("duration", 20*time.Second, "how long each rate is kept")
	accounts := flag.Int("accounts", 1000, "how many accounts the commands go to")
	clients := flag.Int("clients", 64, "how many clients at once, for throughput")
	flag.Parse()
	if *duration <= 0 || *accounts <= 0 || *clients <= 0 {
		return errors.New("duration, accounts and clients must be positive")
	}
	fmt.Printf("%s/%s, %d cores, %s; embedded broker in the same process unless --url says otherwise; %d accounts, deposits\n",
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), *accounts)
	if *url != "" {
		return measure(ctx, *url, *accounts, *clients, *duration)
	}
	started, stop, err := startDev(ctx, *binary)
	if err != nil {
		return err
	}
	defer stop()
	return measure(ctx, started, *accounts, *clients, *duration)
}

// measure prints the latencies and the throughput.
func measure(ctx context.Context, url string, accounts, clients int, duration time.Duration) error {
	b := newBench(url, accounts)
	if err := b.openAccounts(ctx, clients); err != nil {
		return err
	}
	if _, err := b.atRate(ctx, 200, 3*time.Second); err != nil { // warm-up
		return err
	}
	line := func(what string, latencies []time.Duration) {
		fmt.Printf("%-28s %10d %10.2f %10.2f %10.2f %10.2f\n", what, len(latencies),
			percentile(latencies, 50), percentile(latencies, 99), percentile(latencies, 99.9), percentile(latencies, 100))
	}
	fmt.Printf("%-28s %10s %10s %10s %10s %10s\n", "command to outcome", "commands", "p50 ms", "p99 ms", "p99.9 ms", "max ms")
	for _, rate := range []int{200, 1000} {
		latencies, err := b.atRate(ctx, rate, duration)
		if err != nil {
			return err
		}
		line(fmt.Sprintf("at %d/s", rate), latencies)
	}
	latencies, elapsed, err := b.flatOut(ctx, clients, duration)
	if err != nil {
		return err
	}
	line(fmt.Sprintf("%d clients, flat out", clients), latencies)
	throughput := float64(len(latencies)) / elapsed.Seconds()
	fmt.Printf("throughput: %.0f commands/s through HTTP\n", throughput)
	return nil
}
