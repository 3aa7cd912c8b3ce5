package clitest
