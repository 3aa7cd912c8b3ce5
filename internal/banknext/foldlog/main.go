package main

import (
	"github.com/foldlog/foldlog/cli"
	"github.com/foldlog/foldlog/internal/banknext"
)

func main() { cli.Main(banknext.App(true)) }
