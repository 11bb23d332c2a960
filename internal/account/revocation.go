package account

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
)

// Revocation refuses API tokens that were issued before a moment.
type Revocation struct {
	Username string    // empty: of anybody. Without regard to case but for services
	Role     Role      // empty: of any role
	Before   time.Time // a whole second once stored
}

// revocationsBody is the stored form of all revocations: at most one for each
// pair of name and role.
type revocationsBody struct {
	Revocations []revocationBody `json:"revocations"`
	// Sessions that began before this have ended; zero: none have.
	Sessions time.Time `json:"sessions,omitzero"`
}

type revocationBody struct {
	Username string    `json:"username"`
	Role     Role      `json:"role"`
	Before   time.Time `json:"before"`
}

// revoked answers, from memory, since when a token must have been issued.
type revoked map[revokedKey]int64 // seconds of Unix time

type revokedKey struct {
	name string // empty: anybody; folded but for services
	role Role   // empty: any
	// service keeps services apart, for their names are told apart by case.
	service bool
}

func newRevoked(body revocationsBody) revoked {
	r := revoked{}
	for _, b := range body.Revocations {
		for _, isService := range []bool{false, true} {
			name := b.Username
			if !isService {
				name = fold(name)
			}
			k := revokedKey{name, b.Role, isService}
			r[k] = max(r[k], b.Before.Unix())
		}
	}
	return r
}

// before returns the latest moment that concerns a token's bearer, in seconds;
// the token must not have been issued before it.
func (r revoked) before(name string, role Role) int64 {
	if len(r) == 0 {
		return 0
	}
	isService := role == RoleService
	if !isService {
		name = fold(name)
	}
	return max(
		r[revokedKey{"", "", isService}], r[revokedKey{"", role, isService}],
		r[revokedKey{name, "", isService}], r[revokedKey{name, role, isService}],
	)
}

// RevokeBefore refuses the API tokens of a name and role, or of all, that were
// issued before a moment; a zero moment means now. The moment is rounded up to
// a whole second, for that is how exactly tokens tell when they were issued,
// and the call returns only once that second has begun, so that a token made
// next is good. It returns what is in force: an earlier revocation with a later
// moment stays.
func (a *Accounts) RevokeBefore(ctx context.Context, c authz.Caller, r Revocation) (Revocation, error) {
	now := a.now()
	future := r.Before.After(now)
	if r.Before.IsZero() {
		r.Before = nextSecond(now)
	} else {
		r.Before = ceilSecond(r.Before)
	}
	op := aboutToken(authz.Update, r.Username, r.Role, "revoke tokens",
		map[string]any{"operation": "revoke", "role": string(r.Role), "before": r.Before.Format(time.RFC3339)})
	d, err := a.permit(ctx, c, op)
	if err != nil {
		return Revocation{}, err
	}
	err = a.perform(ctx, c, d, act{
		operation: op,
		check: func() error {
			switch {
			case future:
				return fault.New(fault.Invalid, "Tokens cannot be revoked before a moment that is yet to come.")
			case r.Role != "" && !r.Role.known():
				return errRole
			}
			return nil
		},
		commit: func(ctx context.Context) error {
			inForce, err := a.revoke(ctx, r)
			if err == nil {
				r.Before = inForce[0]
			}
			return err
		},
	})
	if err != nil {
		return Revocation{}, err
	}
	return r, a.begun(ctx, r.Before)
}

// revoke stores revocations and returns the moments that are in force for them.
func (a *Accounts) revoke(ctx context.Context, add ...Revocation) ([]time.Time, error) {
	inForce := make([]time.Time, len(add))
	err := retryStale(func() error {
		body, version, err := a.readRevocations(ctx)
		if err != nil {
			return err
		}
		for i, r := range add {
			inForce[i] = body.add(r)
		}
		body.prune(a.now())
		return a.writeDocument(ctx, kindRevocations, idCurrent, body, version)
	})
	return inForce, err
}

// add adds a revocation or moves the one that stands; it returns the moment
// that is now in force.
func (b *revocationsBody) add(r Revocation) time.Time {
	row := revocationBody{r.Username, r.Role, r.Before.UTC()}
	i, found := slices.BinarySearchFunc(b.Revocations, row, func(x, y revocationBody) int {
		return cmp.Or(cmp.Compare(x.Username, y.Username), cmp.Compare(x.Role, y.Role))
	})
	if !found {
		b.Revocations = slices.Insert(b.Revocations, i, row)
	} else if row.Before.After(b.Revocations[i].Before) {
		b.Revocations[i].Before = row.Before
	}
	return b.Revocations[i].Before
}

// prune drops revocations of tokens that have all expired.
func (b *revocationsBody) prune(now time.Time) {
	oldest := now.AddDate(0, 0, -maxTokenDays-1)
	b.Revocations = slices.DeleteFunc(b.Revocations, func(r revocationBody) bool { return r.Before.Before(oldest) })
}

func (a *Accounts) readRevocations(ctx context.Context) (revocationsBody, int, error) {
	b := revocationsBody{}
	version, err := a.readDocument(ctx, kindRevocations, idCurrent, &b)
	return b, version, err
}

// ceilSecond rounds up to a whole second.
func ceilSecond(t time.Time) time.Time {
	if whole := t.Truncate(time.Second); whole.Equal(t) {
		return whole.UTC()
	}
	return nextSecond(t)
}

// nextSecond returns the beginning of the next second: a token issued at the
// very moment t lies before it.
func nextSecond(t time.Time) time.Time { return t.Truncate(time.Second).Add(time.Second).UTC() }

// begun waits until a moment has begun.
func (a *Accounts) begun(ctx context.Context, moment time.Time) error {
	for {
		left := moment.Sub(a.now())
		if left <= 0 {
			return nil
		}
		if err := sleep(ctx, left); err != nil {
			return err
		}
	}
}
