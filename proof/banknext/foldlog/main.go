package main

import (
	"github.com/foldlog/foldlog/cli"
	"github.com/foldlog/foldlog/proof/banknext"
)

func main() { cli.Main(banknext.App(true)) }
