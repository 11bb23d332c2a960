// Package operations proves that docs/operations.md is right: every command line
// in it runs, in order, against the program, and prints what the page shows. It
// holds tests only, and they see the program from outside.
package operations
