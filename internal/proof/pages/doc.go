// Package pages proves the pages for people in a real browser, on the program as it
// is run: that they look right and are accessible, in light and dark, on a desk and
// on a phone; that whoever may do little is offered little; and that nothing people
// type is ever run.
//
// Nothing may go wrong on a page that is visited: what a content security policy
// blocks, errors of scripts, missing files and requests to elsewhere fail the test,
// unless it expects them.
package pages
