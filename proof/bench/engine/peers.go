package main

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// peer is somebody who does the work.
type peer struct {
	name  string
	about string
	// run is the work in a process of its own, until ctx ends; nil for a peer that is no Go
	// program.
	run func(context.Context, task) error
	// command returns how to start the process.
	command func(task) (func() *exec.Cmd, error)
	// transactional peers commit offsets with their output, so that offsets say how far they are.
	transactional bool
	// slow peers get a quarter of the commands.
	slow bool
	// bare peers keep no state: they write as much, and what they write is not compared.
	bare bool
	// shared peers can share their work among processes.
	shared bool
	// changelog returns the name of the peer's table topic.
	changelog func(group string) string
}

func tableOf(group string) string { return group + "-table" } // Goka wants this name

// Names of peers that code refers to.
const (
	ours    = "exactlyonce"
	streams = "streams"
	bank    = "bank"
)

// peers are all of them, in the order of reports.
func peers() []peer {
	return []peer{
		{name: "goka", about: "plain Goka, its defaults (100 ms flush)", run: runGoka, command: itself, slow: true, changelog: tableOf},
		{name: "goka-1ms", about: "plain Goka, 1 ms flush", run: runGoka, command: itself, slow: true, changelog: tableOf},
		{name: ours, about: "our engine", run: runExactlyOnce, command: itself, transactional: true, shared: true, changelog: tableOf},
		{name: "exactlyonce-v1", about: "our engine, transactions V1", run: runExactlyOnce, command: itself, transactional: true, shared: true, changelog: tableOf},
		{name: streams, about: "Kafka Streams exactly_once_v2, tuned", command: streamsCommand, transactional: true,
			changelog: func(group string) string { return group + "-rows-changelog" }},
		{name: "copy", about: "bare transactional loop, no state (the bound)", run: runCopy, command: itself, transactional: true, bare: true, changelog: tableOf},
	}
}

// bankPeer is the whole path of the bank's own aggregate.
func bankPeer() peer {
	return peer{name: bank, about: "the bank's accounts", run: runBank, command: itself, transactional: true}
}

func peerNamed(name string) (peer, error) {
	var names []string
	for _, p := range append(peers(), bankPeer()) {
		if p.name == name {
			return p, nil
		}
		names = append(names, p.name)
	}
	return peer{}, fmt.Errorf("no peer %q; there are %s", name, strings.Join(names, ", "))
}
