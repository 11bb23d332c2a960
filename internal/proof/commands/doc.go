// Package commands proves the program's commands as a whole, from outside: every
// command ends with the exit codes of the table and prints one JSON document;
// the lines of the older manuals work word for word, and the runs that were
// recorded of the older service have the effect on the tables that is wanted, on
// both stores; a run that is killed at any call of the store, or before a change
// to the disk, is finished by the next; what cannot be recorded is not changed.
package commands
