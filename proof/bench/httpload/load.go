package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// maxInFlight bounds what a stall can pile up; reaching it ends the run.
const maxInFlight = 4096

type bench struct {
	url      string
	accounts int
	run      int64 // makes ids of this run its own
	next     atomic.Int64
	client   *http.Client
}

func newBench(url string, accounts int) *bench {
	return &bench{url: url, accounts: accounts, run: time.Now().UnixNano(), client: &http.Client{
		Timeout:   30 * time.Second,
		Transport: &http.Transport{MaxIdleConnsPerHost: maxInFlight, MaxConnsPerHost: maxInFlight},
	}}
}

func (b *bench) account(n int64) string {
	return fmt.Sprintf("bench-%d-%d", b.run, n%int64(b.accounts))
}

func (b *bench) post(ctx context.Context, path, body string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, b.url+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := b.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("POST %s answered %s: %s", path, response.Status, answer)
	}
	return nil
}

func (b *bench) deposit(ctx context.Context) error {
	return b.post(ctx, "/v1/account/"+b.account(b.next.Add(1))+"/deposit", `{"amount": 1, "currency": "EUR", "reference": "bench"}`)
}

func (b *bench) openAccounts(ctx context.Context, clients int) error {
	var next atomic.Int64
	return parallel(clients, func() error {
		for {
			n := next.Add(1) - 1
			if n >= int64(b.accounts) {
				return nil
			}
			if err := b.post(ctx, "/v1/account/"+b.account(n)+"/open", `{"holder": "bench", "currency": "EUR", "overdraft_limit": 0}`); err != nil {
				return err
			}
		}
	})
}

// atRate sends at a fixed rate and returns the sorted times from when each command was due to its
// answer.
func (b *bench) atRate(ctx context.Context, rate int, duration time.Duration) ([]time.Duration, error) {
	n := int(float64(rate) * duration.Seconds())
	latencies := make([]time.Duration, n)
	slots := make(chan struct{}, maxInFlight)
	var (
		wg    sync.WaitGroup
		fault atomic.Pointer[error]
	)
	start := time.Now()
	for i := range n {
		due := start.Add(time.Duration(float64(i) / float64(rate) * float64(time.Second)))
		time.Sleep(time.Until(due))
		select {
		case slots <- struct{}{}:
		default:
			return nil, fmt.Errorf("at %d/s, %d commands were unanswered at once: the system does not keep up", rate, maxInFlight)
		}
		wg.Go(func() {
			if err := b.deposit(ctx); err != nil {
				fault.Store(&err)
			}
			latencies[i] = time.Since(due)
			<-slots
		})
		if fault.Load() != nil {
			break
		}
	}
	wg.Wait()
	if err := fault.Load(); err != nil {
		return nil, *err
	}
	slices.Sort(latencies)
	return latencies, nil
}

// flatOut lets each client send its next command when the last is answered.
func (b *bench) flatOut(ctx context.Context, clients int, duration time.Duration) ([]time.Duration, time.Duration, error) {
	var (
		mu        sync.Mutex
		latencies []time.Duration
	)
	start := time.Now()
	err := parallel(clients, func() error {
		var own []time.Duration
		for time.Since(start) < duration {
			sent := time.Now()
			if err := b.deposit(ctx); err != nil {
				return err
			}
			own = append(own, time.Since(sent))
		}
		mu.Lock()
		defer mu.Unlock()
		latencies = append(latencies, own...)
		return nil
	})
	slices.Sort(latencies)
	return latencies, time.Since(start), err
}

// parallel runs f n times at once and returns the first error.
func parallel(n int, f func() error) error {
	errs := make(chan error, n)
	for range n {
		go func() { errs <- f() }()
	}
	var first error
	for range n {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return first
}

// percentile returns the p-th percentile of sorted durations in milliseconds, by the nearest-rank
// method.
func percentile(sorted []time.Duration, p float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return float64(sorted[max(rank, 1)-1]) / float64(time.Millisecond)
}
