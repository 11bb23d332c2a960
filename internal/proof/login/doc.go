// Package login proves every way in and out with a real browser: identity
// providers that other people wrote, the program as it is run, and what people see.
package login
