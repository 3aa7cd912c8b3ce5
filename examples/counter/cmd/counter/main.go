// Command counter runs the counters of package counter on Foldlog.
package main

import (
	"github.com/foldlog/foldlog/cli"
	"github.com/foldlog/foldlog/examples/counter"
)

func main() { cli.Main(counter.App()) }
