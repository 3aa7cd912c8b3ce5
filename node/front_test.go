package node

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// A request that comes while the listener changes hands is answered, by one side or the other.
func TestTheListenerIsHandedOver(t *testing.T) {
	for range 100 {
		f, err := listenFront("127.0.0.1:0", prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		url := "http://" + f.address() + "/elsewhere"
		stop := make(chan struct{})
		var clients sync.WaitGroup
		for range 2 {
			clients.Go(func() {
				c := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
				for {
					resp, err := c.Get(url)
					switch {
					case errors.Is(err, syscall.ECONNREFUSED):
						t.Errorf("nobody listens: %v", err)
						return
					case err == nil:
						resp.Body.Close()
					case os.IsTimeout(err):
						t.Errorf("not answered: %v", err)
						return
					}
					select {
					case <-stop:
						return
					default:
					}
				}
			})
		}
		listener, err := f.handOver()
		if err != nil {
			t.Fatal(err)
		}
		next := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "next") })}
		served := make(chan error, 1)
		go func() { served <- next.Serve(listener) }()
		close(stop)
		clients.Wait()
		resp, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(body) != "next" {
			t.Fatalf("after it was handed over: %s", body)
		}
		if err := f.Close(); err != nil { // as a stage of the process does in the end
			t.Fatal(err)
		}
		next.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Fatal(err)
		}
		again, err := net.Listen("tcp", f.address())
		if err != nil {
			t.Fatalf("the address is not free: %v", err)
		}
		again.Close()
	}
}
