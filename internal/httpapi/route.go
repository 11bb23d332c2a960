package httpapi

import (
	"net/http"

	"github.com/confidant-secrets/confidant/internal/authz"
)

// access says who may call a route at all.
type access uint8

const (
	anyPrincipal access = iota // whoever proves to be somebody
	everybody                  // no proof is looked at
	visitor                    // a page: who proves nothing is sent to where one can log in
)

// recorder says who writes the audit record of a call.
type recorder uint8

const (
	byUseCase   recorder = iota // the use case; what does not reach it, the transport
	byTransport                 // the transport, for acts that are no use case
	byNobody                    // not recorded: health, files, and what tells nothing of the store
)

// route is one row of the table: everything that is decided about a request
// before its handler runs. The router, the tests that walk the routes and the
// check of docs/openapi.yaml read this table and nothing else.
type route struct {
	method      string // GET also answers HEAD
	path        string // chi's pattern
	access      access
	csrf        bool // a browser's call needs the CSRF token
	maintenance bool // refused in maintenance mode
	action      authz.Action
	resource    authz.ResourceType
	body        bodyRule
	recorder    recorder
	compress    bool // holds neither a value nor a token
	handle      func(*call) error

	page string // name of the page that answers; "" for what is none
	name string // method and path, in metrics, the log and audit records
}

// label returns the route's name, "none" for no route.
func (r *route) label() string {
	if r == nil {
		return "none"
	}
	return r.name
}

// routes returns the table.
func routes() []route {
	var table []route

	// A read of the API.
	read := func(path string, action authz.Action, resource authz.ResourceType, handle func(*call) error) {
		table = append(table, route{
			method: http.MethodGet, path: path,
			action: action, resource: resource, handle: handle,
		})
	}
	// A list of the API that carries neither values nor ciphertext.
	list := func(path string, action authz.Action, resource authz.ResourceType, handle func(*call) error) {
		read(path, action, resource, handle)
		table[len(table)-1].compress = true
	}
	// A change through the API.
	change := func(method, path string, action authz.Action, resource authz.ResourceType, body bodyRule, handle func(*call) error) {
		table = append(table, route{
			method: method, path: path, csrf: true, maintenance: true,
			action: action, resource: resource, body: body, handle: handle,
		})
	}
	// An answer about the caller or the server, which is not recorded.
	about := func(method, path string, access access, handle func(*call) error) {
		table = append(table, route{
			method: method, path: path, access: access, recorder: byNobody, handle: handle,
		})
	}
	// A page or a file.
	page := func(path string, access access, recorder recorder, handle func(*call) error) {
		table = append(table, route{
			method: http.MethodGet, path: path, access: access, recorder: recorder, handle: handle,
		})
	}

	list("/v1/credentials", authz.List, authz.Credential, listCurrentCredentials)
	change("POST", "/v1/credentials", authz.Create, authz.Credential, objectBody, createCredential)
	read("/v1/credentials/{id}", authz.Get, authz.Credential, getCredential)
	change("PUT", "/v1/credentials/{id}", authz.Update, authz.Credential, objectBody, updateCredential)
	change("PUT", "/v1/credentials/{id}/{to_revision}", authz.Revert, authz.Credential, optionalBody, revertCredential)
	read("/v1/credentials/{id}/{old_revision}/{new_revision}", authz.Metadata, authz.Credential, diffCredential)
	read("/v1/credentials/{id}/services", authz.Metadata, authz.Credential, listCredentialDependents)
	change("POST", "/v1/credentials/{id}/archive", authz.Archive, authz.Credential, optionalBody, archiveCredential)
	list("/v1/archive/credentials", authz.List, authz.Credential, listHistoricCredentials)
	list("/v1/archive/credentials/{id}", authz.Metadata, authz.Credential, listCredentialRevisions)

	list("/v1/blind_credentials", authz.List, authz.BlindCredential, listCurrentBlind)
	change("POST", "/v1/blind_credentials", authz.Create, authz.BlindCredential, objectBody, createBlind)
	read("/v1/blind_credentials/{id}", authz.Get, authz.BlindCredential, getBlind)
	change("PUT", "/v1/blind_credentials/{id}", authz.Update, authz.BlindCredential, objectBody, updateBlind)
	change("PUT", "/v1/blind_credentials/{id}/{to_revision}", authz.Revert, authz.BlindCredential, optionalBody, revertBlind)
	read("/v1/blind_credentials/{id}/services", authz.Metadata, authz.BlindCredential, listBlindDependents)
	read("/v1/archive/blind_credentials", authz.List, authz.BlindCredential, listHistoricBlind)
	read("/v1/archive/blind_credentials/{id}", authz.Metadata, authz.BlindCredential, listBlindRevisions)

	list("/v1/services", authz.List, authz.ServiceResource, listCurrentServices)
	read("/v1/services/{id}", authz.Get, authz.ServiceResource, getService)
	change("PUT", "/v1/services/{id}", authz.Update, authz.ServiceResource, objectBody, putService)
	change("PUT", "/v1/services/{id}/{to_revision}", authz.Revert, authz.ServiceResource, optionalBody, revertService)
	read("/v1/services/{id}/{old_revision}/{new_revision}", authz.Metadata, authz.ServiceResource, diffService)
	list("/v1/archive/services", authz.List, authz.ServiceResource, listHistoricServices)
	list("/v1/archive/services/{id}", authz.Metadata, authz.ServiceResource, listServiceRevisions)

	about("GET", "/v1/value_generator", everybody, generateValue)
	about("GET", "/v1/client_config", anyPrincipal, getClientConfig)
	about("GET", "/v1/user/email", anyPrincipal, getUserEmail)
	about("POST", "/v1/user/email", anyPrincipal, getUserEmail)

	// A step of a log-in, which the flow in use carries out if it has it.
	step := func(path string, methods ...string) {
		for _, method := range methods {
			table = append(table, route{
				method: method, path: path, access: everybody, recorder: byTransport, handle: logIn,
			})
		}
	}
	step("/v1/login", "GET", "POST")
	step("/v1/saml/login", "GET")
	step("/v1/saml/consume", "POST")
	about("GET", "/v1/saml/metadata", everybody, logIn)
	about("GET", "/v1/saml/debug", everybody, samlDebug)
	table = append(table, route{
		method: http.MethodGet, path: "/v1/saml/logout",
		access: everybody, recorder: byTransport, handle: samlLogout,
	})
	step("/login", "GET", "POST")
	step("/login/code", "POST")
	step("/setup", "GET", "POST")

	about("GET", "/healthcheck", everybody, healthcheck)
	about("GET", "/readiness", everybody, readiness)

	page("/loggedout", everybody, byTransport, loggedOut)
	page("/404.html", everybody, byNobody, notFoundPage)
	for _, name := range []string{"robots.txt", "favicon.ico"} {
		page("/"+name, everybody, byNobody, staticFile)
	}
	for _, folder := range []string{"styles", "scripts", "images", "fonts", "modules", "components", "bower_components"} {
		page("/"+folder+"/*", everybody, byNobody, staticFile)
	}
	page("/custom/modules/*", anyPrincipal, byNobody, customModule)
	page("/custom/styles/*", anyPrincipal, byNobody, customFile)
	page("/custom/images/*", anyPrincipal, byNobody, customFile)

	table = append(table, pageRoutes()...)

	for i := range table {
		table[i].name = table[i].method + " " + table[i].path
	}
	return table
}
