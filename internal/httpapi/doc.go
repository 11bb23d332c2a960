// Package httpapi is the HTTP transport: the routes of the v1 API, of health and
// of the first pages, each one row of a table. It turns a request into a call of
// one use case and the outcome into an answer. It decides nothing about
// credentials: who may do what, and what a change needs, is the use cases'
// affair; who calls is package authn's. It knows no store, no key and no
// template.
package httpapi
