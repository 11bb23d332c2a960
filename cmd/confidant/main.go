// Command confidant is the server and its administration in one program.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/confidant-secrets/confidant/internal/cli"
)

// version is set when the program is built.
var version = "devel"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(cli.Run(ctx, os.Args[1:], cli.Process{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Version: version, Program: os.Args[0],
	}))
}
