package oidc

import (
	"context"
	"errors"
	"net/url"

	"github.com/confidant-secrets/confidant/internal/fault"
)

// refused is the refusal of a log-in. Which check failed is for the log.
func refused(cause error) error {
	return fault.Wrap(fault.BadProof, "This log-in could not be completed. Start again.", cause)
}

// unavailable says that the provider cannot be asked.
func unavailable(cause error) error {
	return fault.Wrap(fault.Unavailable, "The identity provider does not answer, try again later.", cause)
}

// failed tells an outage of the provider from a proof that does not hold.
func failed(cause error) error {
	if outage(cause) {
		return unavailable(cause)
	}
	return refused(cause)
}

// outage reports whether an exchange with the provider did not take place: it
// could not be reached, or the guard dismissed what it answered.
func outage(err error) bool {
	_, exchange := errors.AsType[*url.Error](err)
	return exchange || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// known returns an error code of the provider if it is one of RFC 6749 or OpenID
// Connect Core. Any other text may be anything, a secret that was sent included.
func known(code string) string {
	switch code {
	case "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope",
		"access_denied", "unsupported_response_type", "server_error", "temporarily_unavailable",
		"interaction_required", "login_required", "account_selection_required", "consent_required",
		"invalid_request_uri", "invalid_request_object", "request_not_supported", "request_uri_not_supported",
		"registration_not_supported":
		return code
	default:
		return "for an unregistered reason"
	}
}
