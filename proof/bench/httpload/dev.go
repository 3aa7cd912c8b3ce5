package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// startDev starts `foldlog dev` on free ports in a temporary folder and returns its URL once it is
// ready.
func startDev(ctx context.Context, binary string) (url string, stop func(), err error) {
	dir, err := os.MkdirTemp("", "foldlog-bench-")
	if err != nil {
		return "", nil, err
	}
	ports, err := freePorts(3)
	if err != nil {
		return "", nil, err
	}
	log, err := os.Create(filepath.Join(dir, "dev.log"))
	if err != nil {
		return "", nil, err
	}
	dev := exec.Command(binary,
		"dev", "--data-dir", filepath.Join(dir, "data"), "--http", ports[0], "--kafka", ports[1], "--registry-listen", ports[2])
	dev.Stdout, dev.Stderr = log, log
	if err := dev.Start(); err != nil {
		return "", nil, fmt.Errorf("start %s (run `make build` first): %w", binary, err)
	}
	exited := make(chan error, 1)
	go func() { exited <- dev.Wait() }()
	stop = func() {
		_ = dev.Process.Signal(syscall.SIGTERM)
		select {
		case <-exited:
		case <-time.After(30 * time.Second):
			_ = dev.Process.Kill()
		}
		_ = log.Close()
		_ = os.RemoveAll(dir)
	}
	url = "http://" + ports[0]
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if response, err := http.Get(url + "/readyz"); err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return url, stop, nil
			}
		}
		select {
		case err := <-exited:
			output, _ := os.ReadFile(log.Name())
			return "", nil, fmt.Errorf("foldlog dev ended: %v\n%s", err, output)
		case <-ctx.Done():
			stop()
			return "", nil, ctx.Err()
		default:
		}
		if time.Now().After(deadline) {
			output, _ := os.ReadFile(log.Name())
			stop()
			return "", nil, fmt.Errorf("foldlog dev was not ready within a minute:\n%s", output)
		}
	}
}

// freePorts returns loopback addresses that nobody listens on now.
func freePorts(n int) ([]string, error) {
	var (
		addresses []string
		held      []net.Listener
	)
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		held = append(held, l)
		addresses = append(addresses, l.Addr().String())
	}
	for _, l := range held {
		_ = l.Close()
	}
	return addresses, nil
}
