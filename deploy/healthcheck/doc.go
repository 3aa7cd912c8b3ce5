// Command healthcheck asks a URL and says by its exit code whether the answer was 200. It is the
// health check of a container image that has neither a shell nor curl:
//
//	healthcheck http://127.0.0.1:8080/readyz
//
// Invariants:
//
//  1. It ends within five seconds, however slow the server is.
//  2. The server's answer, which says what it waits for, is printed, so that `docker inspect` shows
//     it.
package main
