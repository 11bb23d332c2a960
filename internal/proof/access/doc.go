// Package access proves that docs/authentication.md is right: its commands run
// against the program, its settings load, its other examples fit both. It holds
// tests only, and they see the server from outside.
package access
