package address

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
)

// CheckHostPort returns nil, or what is wrong with an address that is not host:port. The option is
// the flag that the address was given by.
func CheckHostPort(option, text string) error {
	_, port, err := net.SplitHostPort(text)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil || strings.Contains(text, "@") {
		return fmt.Errorf("--%s %q: use host:port, such as 127.0.0.1:8080", option, Redact(text))
	}
	return nil
}

// CheckURL returns nil, or what is wrong with the address of an HTTP interface.
func CheckURL(option, text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("--%s %q: use http://host:port or https://host:port", option, Redact(text))
	}
	return nil
}

var userInfo = regexp.MustCompile(`^([a-zA-Z][a-zA-Z0-9+.-]*://)?.*@`)

// Redact returns an address for people: without the user and the password that it may have, whether
// it can be parsed or not.
func Redact(address string) string { return userInfo.ReplaceAllString(address, "$1***@") }

// SplitUser returns a URL without the user and the password that it may have, and both of them.
// A program that shows the URL then shows no secret.
func SplitUser(address string) (without, user, password string) {
	u, err := url.Parse(address)
	if err != nil || u.User == nil {
		return address, "", ""
	}
	user = u.User.Username()
	password, _ = u.User.Password()
	u.User = nil
	return u.String(), user, password
}
