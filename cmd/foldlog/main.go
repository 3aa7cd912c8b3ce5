// Command foldlog runs the bank, the reference domain, on Foldlog.
package main

import (
	"github.com/foldlog/foldlog/bank/bankapp"
	"github.com/foldlog/foldlog/cli"
)

func main() { cli.Main(bankapp.App()) }
