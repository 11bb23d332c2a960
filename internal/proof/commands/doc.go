// Package commands proves the maintenance commands of the program as a whole:
// the runs that were recorded of the older service have the effect on the tables
// that is wanted, on both stores, and a run that is killed at any call of the
// store is finished by the next.
package commands
