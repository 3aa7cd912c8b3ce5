package address

import (
	"strings"
	"testing"
)

const secret = "hunter2"

func TestChecks(t *testing.T) {
	for _, good := range []string{"127.0.0.1:8080", "localhost:http", "[::1]:1", ":0"} {
		if err := CheckHostPort("http", good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, good := range []string{"http://h:1", "https://h/apis/ccompat/v7", "https://u:p@h"} {
		if err := CheckURL("registry", good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", "h", "h:port", "u:" + secret + "@h:9092", "u:" + secret + "@h"} {
		if err := CheckHostPort("http", bad); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	for _, bad := range []string{"", "h:1", "ftp://u:" + secret + "@h", "http://", "http://u:" + secret + "@h:port", "http://u:%zz" + secret + "@h", "u:" + secret + "@h"} {
		if err := CheckURL("registry", bad); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestSplitUser(t *testing.T) {
	for _, c := range [][4]string{
		{"http://h:1/x?y=z", "http://h:1/x?y=z", "", ""},
		{"https://ann:hunter2@h:1/x", "https://h:1/x", "ann", "hunter2"},
		{"https://ann@h", "https://h", "ann", ""},
		{"http://a%40b:c%3Ad@h", "http://h", "a@b", "c:d"},
	} {
		without, user, password := SplitUser(c[0])
		if got := [4]string{c[0], without, user, password}; got != c {
			t.Errorf("got %q, want %q", got, c)
		}
	}
}
