package account

import (
	"context"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	otptotp "github.com/pquerna/otp/totp"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/keyring"
	"github.com/confidant-secrets/confidant/internal/store"
)

// One-time codes as authenticator apps expect them: RFC 6238 with HMAC-SHA-1,
// six digits and steps of 30 seconds.
const (
	totpPeriod = 30 // seconds
	totpDrift  = 1  // steps by which clocks may differ, either way
	totpSeed   = 20 // bytes, as RFC 4226 section 4 recommends
	totpIssuer = "Confidant"
)

// totpBody is the stored form of an account's one-time codes.
type totpBody struct {
	// Seed is sealed under the purpose "account" and the document's id.
	Seed []byte `json:"seed"`
	// LastStep is the time step of the last code that was accepted. Neither that
	// code nor an earlier one is accepted again.
	LastStep int64 `json:"last_step"`
	// Recovery are the hashes of the recovery codes that are left.
	Recovery []string `json:"recovery"`
}

// TOTP is a second factor that can be enrolled. Its text is nowhere else.
type TOTP struct {
	URI           Secret   // with the seed, for authenticator apps: otpauth://totp/…
	RecoveryCodes []Secret // each replaces one code, once
}

// seed returns the seed that stands in the URI.
func (t TOTP) seed() ([]byte, error) {
	key, err := otp.NewKeyFromURL(string(t.URI))
	if err != nil {
		return nil, errNoSeed // the cause would show the URI
	}
	seed, err := noPadding.DecodeString(key.Secret())
	if err != nil || len(seed) != totpSeed {
		return nil, errNoSeed
	}
	return seed, nil
}

var noPadding = base32.StdEncoding.WithPadding(base32.NoPadding)

var (
	errNoSeed    = errors.New("there is no seed of one-time codes in the URI")
	errNoSecrets = fault.New(fault.Unavailable, "One-time codes need the key that seals their seeds, which is not open here.")
	errWrongCode = fault.New(fault.Unauthenticated, "The code is wrong or was used before.")
	errNotLogin  = fault.New(fault.Stale, "The account was changed meanwhile. Log in again.")
)

// NewTOTP makes a second factor for an account, which EnrolTOTP takes; nothing
// is stored. NotFound: there is no such account. Unavailable: no seed can be
// sealed here.
func (a *Accounts) NewTOTP(ctx context.Context, c authz.Caller, name string) (TOTP, error) {
	op := about(authz.Update, name, "change accounts", map[string]any{"operation": "make-totp"})
	d, err := a.permit(ctx, c, op)
	if err != nil {
		return TOTP{}, err
	}
	t := TOTP{}
	err = a.perform(ctx, c, d, act{
		operation: op,
		quiet:     true,
		check: func() error {
			if a.secrets == nil {
				return errNoSecrets
			}
			r, err := a.find(ctx, name)
			name = r.Name
			return err
		},
		commit: func(context.Context) error {
			key, err := otptotp.Generate(otptotp.GenerateOpts{
				Issuer: totpIssuer, AccountName: name, SecretSize: totpSeed, Rand: a.random,
				Period: totpPeriod, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1,
			})
			if err != nil {
				return fmt.Errorf("making a seed: %w", err)
			}
			t.URI = Secret(key.String())
			t.RecoveryCodes, err = newRecoveryCodes(a.random)
			return err
		},
	})
	if err != nil {
		return TOTP{}, err
	}
	return t, nil
}

// EnrolTOTP has every further log-in to an account ask for a one-time code, in
// place of one that it may have asked for before. The code proves that the seed
// has reached an app. Sessions go on. NotFound: there is no such account.
// BadProof: the code is not one of the seed's.
func (a *Accounts) EnrolTOTP(ctx context.Context, c authz.Caller, name string, t TOTP, code Secret) (Account, error) {
	op := about(authz.Update, name, "change accounts", map[string]any{"operation": "enrol-totp"})
	d, err := a.permit(ctx, c, op)
	if err != nil {
		return Account{}, err
	}
	enrolled := &totpBody{}
	var after record
	err = a.perform(ctx, c, d, act{
		operation: op,
		account:   name,
		check: func() error {
			if a.secrets == nil {
				return errNoSecrets
			}
			if _, err := a.find(ctx, name); err != nil {
				return err
			}
			seed, err := t.seed()
			if err != nil {
				return err
			}
			step, ok, err := acceptedStep(seed, plainCode(code), a.now(), 0)
			if err != nil {
				return err
			}
			if !ok {
				return fault.New(fault.BadProof, "The code does not belong to this seed. Compare the clocks of both machines.")
			}
			enrolled.LastStep = step
			for _, code := range t.RecoveryCodes {
				enrolled.Recovery = append(enrolled.Recovery, hashRecoveryCode(name, plainCode(code)))
			}
			enrolled.Seed, err = a.secrets.Wrap(ctx, seed, seedContext(name))
			if err != nil {
				return fmt.Errorf("sealing a seed: %w", err)
			}
			return nil
		},
		commit: func(ctx context.Context) error {
			return retryStale(func() (err error) {
				if after, err = a.find(ctx, name); err != nil {
					return err
				}
				after.setTOTP(enrolled)
				after.Modified = a.now().UTC()
				return a.write(ctx, after)
			})
		},
	})
	if err != nil {
		return Account{}, err
	}
	return after.Account, nil
}

// VerifyCode ends a log-in that VerifyPassword began: it accepts a one-time code,
// or a recovery code, of the account while it is of that generation. No code is
// accepted twice, by whatever process, for the store is asked and told.
// Unauthenticated: the code is not good. Stale: the account changed since.
// Unavailable: that cannot be told.
func (a *Accounts) VerifyCode(ctx context.Context, name string, generation int64, code Secret) (Account, error) {
	var after record
	var recovered bool
	err := retryStale(func() error {
		r, err := a.read(ctx, name)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return errNotLogin
		case err != nil:
			return err
		case !r.Enabled, r.Generation != generation, r.totp == nil:
			return errNotLogin
		}
		spent := *r.totp
		if recovered, err = a.spend(ctx, r.Name, &spent, plainCode(code)); err != nil {
			return err
		}
		after = r
		after.setTOTP(&spent)
		return a.write(ctx, after)
	})
	if err != nil {
		return Account{}, storeFault(err)
	}
	if recovered {
		a.log.WarnContext(ctx, "a recovery code was used", "account", after.Name, "left", after.RecoveryCodes)
	}
	return after.Account, nil
}

// spend accepts a code and takes it out of what is accepted further.
func (a *Accounts) spend(ctx context.Context, name string, t *totpBody, code string) (recovery bool, err error) {
	if len(code) != otp.DigitsSix.Length() {
		left, ok := withoutRecoveryCode(t.Recovery, hashRecoveryCode(name, code))
		if !ok {
			return false, errWrongCode
		}
		t.Recovery = left
		return true, nil
	}
	if a.secrets == nil {
		return false, errNoSecrets
	}
	seed, err := a.secrets.Unwrap(ctx, t.Seed, seedContext(name))
	if err != nil {
		return false, fmt.Errorf("opening the seed of account %q: %w", fold(name), err)
	}
	step, ok, err := acceptedStep(seed, code, a.now(), t.LastStep)
	clear(seed)
	if err != nil {
		return false, err
	}
	if !ok {
		return false, errWrongCode
	}
	t.LastStep = step
	return false, nil
}

// seedContext binds a sealed seed to its account.
func seedContext(name string) keyring.Context {
	return keyring.Context{"purpose": kindAccount, "id": fold(name)}
}

// acceptedStep returns the time step that a code belongs to: the present one or
// one that clocks may differ by, and later than the last that was accepted.
func acceptedStep(seed []byte, code string, now time.Time, last int64) (step int64, ok bool, err error) {
	present := now.Unix() / totpPeriod
	text := noPadding.EncodeToString(seed)
	for candidate := present - totpDrift; candidate <= present+totpDrift; candidate++ {
		want, err := hotp.GenerateCodeCustom(text, uint64(candidate), hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err != nil {
			return 0, false, fmt.Errorf("computing a one-time code: %w", err)
		}
		if subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 && candidate > last {
			step, ok = candidate, true
		}
	}
	return step, ok, nil
}

// plainCode drops what people type between the characters of a code.
func plainCode(code Secret) string {
	return strings.ToLower(strings.Map(func(c rune) rune {
		if c == '-' || unicode.IsSpace(c) {
			return -1
		}
		return c
	}, string(code)))
}
