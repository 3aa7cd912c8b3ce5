package cli

import (
	"bytes"
	"fmt"
	"testing"
	"time"
)

func TestProgressInLines(t *testing.T) {
	var out bytes.Buffer
	c := &Context{Err: &out}
	p := c.NewProgress("importing", "commands", 100)
	now := p.last
	p.clock = func() time.Time { return now }
	for range 99 {
		p.Add(1)
		now = now.Add(200 * time.Millisecond)
	}
	p.Close()
	want := ""
	for i, done := range []int{26, 51, 76} {
		want += fmt.Sprintf("importing: %d of 100 commands, 5/s, %ds left\n", done, 15-5*i)
	}
	if out.String() != want {
		t.Errorf("have\n%swant\n%s", out.String(), want)
	}
}

func TestNearest(t *testing.T) {
	for name, want := range map[string]string{
		"partitons": "partitions", "data_dir": "data-dir", "broker": "brokers", "kafka.tls.ca": "kafka-tls-ca", "": "url", "rolse": "roles",
	} {
		if got := nearest(name, optionNames()); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func TestDays(t *testing.T) {
	for text, want := range map[string]time.Duration{"7d": 168 * time.Hour, "36h": 36 * time.Hour, "0d": 0, "90m": 90 * time.Minute} {
		var d days
		if err := d.Set(text); err != nil || time.Duration(d) != want {
			t.Errorf("%s: %v, %v", text, time.Duration(d), err)
		}
	}
	for _, text := range []string{"", "7", "d", "-1d", "1.5d", "99999999999d", "soon"} {
		var d days
		if err := d.Set(text); err == nil {
			t.Errorf("%q was read as %v", text, time.Duration(d))
		}
	}
}
