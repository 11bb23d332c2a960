package local

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/confidant-secrets/confidant/internal/account"
	"github.com/confidant-secrets/confidant/internal/authn"
	"github.com/confidant-secrets/confidant/internal/fault"
)

// maxForm bounds the body of a form in bytes; a password has at most a thousand.
const maxForm = 16 << 10

// errAnswered says that a request was answered with a form and that its log-in
// goes on.
var errAnswered = errors.New("answered with a form")

// visit is one request and its answer.
type visit struct {
	w http.ResponseWriter
	r *http.Request
}

// posted has a form read before it is taken. Forms of other sites are refused:
// they would log a browser in as somebody else.
func (l *Local) posted(take func(*visit) (authn.Identity, error)) func(*visit) (authn.Identity, error) {
	return func(v *visit) (authn.Identity, error) {
		if err := l.sameSite.Check(v.r); err != nil {
			return authn.Identity{}, fault.Wrap(fault.Denied, "This form was sent from another site.", err)
		}
		v.r.Body = http.MaxBytesReader(v.w, v.r.Body, maxForm)
		if err := v.r.ParseForm(); err != nil {
			if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
				return authn.Identity{}, fault.Wrap(fault.TooLarge, "The form is too large.", err)
			}
			return authn.Identity{}, fault.Wrap(fault.Invalid, "The form cannot be read.", err)
		}
		return take(v)
	}
}

// field returns a field of the body, never of the address.
func (v *visit) field(name string) string { return v.r.PostForm.Get(name) }

func (v *visit) secret(name string) account.Secret { return account.Secret(v.field(name)) }

// answer writes a form, under the status of what went wrong before. A refusal is
// told; name is the account it is about. What is no matter of a form is returned
// as it is, for whoever ends log-ins.
func (l *Local) answer(v *visit, name string, err error, write func(status int) error) (authn.Identity, error) {
	status := http.StatusOK
	if err != nil {
		var known bool
		if status, known = statusOf(fault.KindOf(err)); !known {
			return authn.Identity{}, err
		}
		if status != http.StatusBadRequest {
			l.Refused(v.r, l.Accounts.Spelling(name), err)
		}
	}
	// The form's own request must say that it comes from here, which browsers do
	// not tell under no-referrer.
	v.w.Header().Set("Referrer-Policy", "strict-origin")
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		v.w.Header().Set("Retry-After", retryAfter(err))
	}
	if err := write(status); err != nil {
		return authn.Identity{}, err
	}
	return authn.Identity{}, errAnswered
}

// statusOf is the status of a form that is shown again. What goes wrong
// otherwise is no matter of a form.
func statusOf(kind fault.Kind) (status int, known bool) {
	switch kind {
	case fault.Invalid:
		return http.StatusBadRequest, true
	case fault.Unauthenticated:
		return http.StatusUnauthorized, true
	case fault.Stale:
		return http.StatusConflict, true
	case fault.RateLimited:
		return http.StatusTooManyRequests, true
	case fault.Unavailable:
		return http.StatusServiceUnavailable, true
	default:
		return 0, false
	}
}

func retryAfter(err error) string {
	wait := 2 * time.Second
	if f := fault.As(err); f != nil && f.RetryIn > 0 {
		wait = f.RetryIn
	}
	return strconv.Itoa(int((wait + time.Second - 1) / time.Second))
}

// words are what a form says about an error.
func words(err error) string {
	switch f := fault.As(err); {
	case err == nil:
		return ""
	case f != nil:
		return f.Message
	default:
		return "The service is not available at the moment. Try again later."
	}
}

// withNext adds where to go after a log-in to the path of a form.
func withNext(path, next string) string {
	if next = authn.LocalPath(next); next == "/" {
		return path
	}
	return path + "?" + url.Values{"next": {next}}.Encode()
}
