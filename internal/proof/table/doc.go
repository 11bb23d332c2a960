// Package table proves the program over a table that the older service wrote, as
// it was recorded: it is served, changed in its own form, and left fit for going
// back.
package table
