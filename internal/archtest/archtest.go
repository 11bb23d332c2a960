// Package archtest holds the import rules of the source tree: a table of all
// packages and tests that read the source and name whatever breaks a rule. It
// is imported by nobody and runs nothing of the product.
package archtest
