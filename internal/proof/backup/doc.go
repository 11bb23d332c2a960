// Package backup proves, with the program as it is run, that a backup taken
// while others write is of one moment and comes back as it was, and that no
// file made by somebody else gets anything into a machine. It knows the
// documented form of a backup and nothing of the program's insides.
package backup
