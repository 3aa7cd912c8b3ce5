package bankapp_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The real records, where they are present beside the project, on the real program: imported while
// it is stopped by SIGTERM and killed, three times, then imported once more, and compared with sums
// that are computed here from the file alone. What is in the log is read by an independent reader.
func TestRealRecords(t *testing.T) {
	file := filepath.Join("..", "..", "..", "shared", "data", "berka", "trans-1993q1-q3.asc")
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		t.Skip("the Berka data set is not beside the project")
	}
	if testing.Short() {
		t.Skip("14,983 commands, three times: not in short mode")
	}
	dir := t.TempDir()
	binary := filepath.Join(dir, "foldlog")
	if out, err := exec.Command("go", "build", "-o", binary, "github.com/foldlog/foldlog/cmd/foldlog").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	ports := freePorts(t, 3)
	url := "http://" + ports[0]
	dev := func() *process {
		return start(t, binary, url, "dev", "--data-dir", filepath.Join(dir, "data"), "--http", ports[0], "--kafka", ports[1], "--registry-listen", ports[2])
	}

	running := dev()
	for _, end := range []func(*testing.T){running.stop, running.kill, running.kill} {
		interrupted := exec.Command(binary, "bank", "import", "--url", url, file)
		if err := interrupted.Start(); err != nil {
			t.Fatal(err)
		}
		awaitCommands(t, url, 2500)
		end(t)
		*running = *dev()
		// It may have ridden through or given up: the rerun must end with the same figures either
		// way.
		_ = interrupted.Process.Signal(os.Interrupt)
		_ = interrupted.Wait()
	}

	const reconciled = "accounts 858/858 reconciled, 14983 commands, "
	rerun := run(t, binary, "bank", "import", "--url", url, file)
	if line := lastLine(rerun); !strings.HasPrefix(line, reconciled) {
		t.Fatalf("rerun after a restart in the middle: %q, want %q...", line, reconciled)
	}
	again := run(t, binary, "bank", "import", "--url", url, file)
	if line := lastLine(again); line != reconciled+"0 new events" {
		t.Fatalf("another run: %q", line)
	}
	compareTurnover(t, url, file)
	checkVersions(t, ports[1], "http://"+ports[2], 14983)
	running.stop(t)
}

// compareTurnover compares the view daily-turnover with the file's own sums for each day.
func compareTurnover(t *testing.T, url, file string) {
	t.Helper()
	type turnover struct {
		Deposits, Withdrawals         int64
		DepositCount, WithdrawalCount int64
	}
	want := map[string]turnover{}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(data)), "\n")[1:] {
		fields := strings.Split(strings.ReplaceAll(strings.TrimSpace(line), `"`, ""), ";")
		haleru, err := strconv.ParseInt(strings.Replace(fields[5], ".", "", 1), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		key := fmt.Sprintf("19%s-%s-%s:CZK", fields[2][:2], fields[2][2:4], fields[2][4:])
		day := want[key]
		if fields[3] == "PRIJEM" {
			day.Deposits, day.DepositCount = day.Deposits+haleru, day.DepositCount+1
		} else {
			day.Withdrawals, day.WithdrawalCount = day.Withdrawals+haleru, day.WithdrawalCount+1
		}
		want[key] = day
	}
	have := map[string]turnover{}
	for next, more := "", true; more; more = next != "" {
		var page struct {
			Rows []struct {
				Key string
				Row struct {
					Deposits, Withdrawals int64
					DepositCount          int64 `json:"deposit_count"`
					WithdrawalCount       int64 `json:"withdrawal_count"`
				}
			}
			Next string
		}
		response, err := http.Get(url + "/v1/views/daily-turnover?limit=100&after=" + next)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.NewDecoder(response.Body).Decode(&page); err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		for _, r := range page.Rows {
			have[r.Key] = turnover{r.Row.Deposits, r.Row.Withdrawals, r.Row.DepositCount, r.Row.WithdrawalCount}
		}
		next = page.Next
	}
	if len(want) == 0 || len(have) != len(want) {
		t.Errorf("%d days in the view, %d in the file", len(have), len(want))
	}
	for key, day := range want {
		if have[key] != day {
			t.Errorf("%s: the view has %+v, the file %+v", key, have[key], day)
		}
	}
}

// checkVersions reads all events of all accounts as a data team would, with another Avro library,
// and checks that each account's versions are 1, 2, 3 ... and that there are as many events as
// commands.
func checkVersions(t *testing.T, broker, registry string, want int) {
	t.Helper()
	versions, ids, events := map[string]int64{}, map[string]bool{}, 0
	eachEvent(t, []string{broker}, registry, "account.events", func(r *kgo.Record, event map[string]any) {
		account, version := event["aggregate_id"].(string), event["version"].(int64)
		if version != versions[account]+1 || account != string(r.Key) {
			t.Errorf("%s, key %s: version %d after %d", account, r.Key, version, versions[account])
		}
		versions[account] = version
		ids[event["event_id"].(string)] = true
		events++
	})
	if events != want || len(ids) != want || len(versions) != 858 {
		t.Errorf("%d events with %d ids of %d accounts, want %d of 858", events, len(ids), len(versions), want)
	}
}

// process is a running foldlog.
type process struct {
	command *exec.Cmd
	log     *os.File
	exited  chan error
}

func start(t *testing.T, binary, url string, args ...string) *process {
	t.Helper()
	log, err := os.CreateTemp(t.TempDir(), "log")
	if err != nil {
		t.Fatal(err)
	}
	p := &process{command: exec.Command(binary, args...), log: log, exited: make(chan error, 1)}
	p.command.Stdout, p.command.Stderr = log, log
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.exited <- p.command.Wait() }()
	t.Cleanup(func() { _ = p.command.Process.Kill() })
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		response, err := http.Get(url + "/readyz")
		if err != nil {
			continue
		}
		_ = response.Body.Close()
		if response.StatusCode == http.StatusOK {
			return p
		}
	}
	t.Fatalf("not ready within a minute:\n%s", p.output())
	return nil
}

func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-p.exited:
		if err != nil {
			t.Fatalf("stopped with %v:\n%s", err, p.output())
		}
	case <-time.After(time.Minute):
		t.Fatalf("did not stop within a minute:\n%s", p.output())
	}
}

func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.exited
}

func (p *process) output() string {
	data, _ := os.ReadFile(p.log.Name())
	return string(data)
}

func run(t *testing.T, binary string, args ...string) string {
	t.Helper()
	out, err := exec.Command(binary, args...).Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// awaitCommands waits until the system has accepted n commands.
func awaitCommands(t *testing.T, url string, n int) {
	t.Helper()
	accepted := 0.0
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		response, err := http.Get(url + "/metrics")
		if err != nil {
			continue
		}
		for lines := bufio.NewScanner(response.Body); lines.Scan(); {
			if value, found := strings.CutPrefix(lines.Text(), `foldlog_commands_total{aggregate="account",result="accepted"} `); found {
				accepted, _ = strconv.ParseFloat(value, 64)
			}
		}
		_ = response.Body.Close()
		if accepted >= float64(n) {
			return
		}
	}
	t.Fatalf("%.0f commands were accepted within two minutes, want %d", accepted, n)
}

// freePorts returns loopback addresses that nobody listens on now.
func freePorts(t *testing.T, n int) []string {
	t.Helper()
	var addresses []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // it was only to find a port
		addresses = append(addresses, l.Addr().String())
	}
	return addresses
}
