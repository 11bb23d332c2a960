// Package outage proves what the program does when something under it fails: a
// full disk, an audit log or a database that cannot be written, a damaged key
// file. It holds tests only, and they see the server from outside.
package outage
