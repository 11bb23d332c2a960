package config

import (
	"slices"
	"strings"
)

// ourPrefixes begin names that nobody else uses, so that an unknown name that
// begins so is most likely a mistake.
var ourPrefixes = []string{
	"ACM_PRIVATE_CA", "API_TOKEN_", "AUDIT_", "BACKGROUND_CACHE_", "BRAND_", "CLEANUP_", "CONFIDANT_",
	"CUSTOM_CA_", "CUSTOM_CERTIFICATE_", "DATA_KEY_", "DYNAMODB_", "ENCKEY_", "GEVENT_", "GRAPHITE_",
	"HEADER_AUTH_", "JWT_", "KMS_", "MAINTENANCE_MODE", "METRICS_LISTEN", "OIDC_", "PYNAMO_", "SAML_",
	"SECRETS_MANAGER_", "SESSION_COOKIE_", "SESSION_SECRET", "STATSD_", "XSRF_",
}

// looksLikeOurs reports whether an unknown name of the environment was probably
// meant for this program.
func (l *loader) looksLikeOurs(name string) bool {
	for _, p := range ourPrefixes {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return l.nearest(name) != ""
}

// suggest returns "; did you mean X?" if there is a setting with nearly this
// name.
func (l *loader) suggest(name string) string {
	if near := l.nearest(name); near != "" {
		return "; did you mean " + near + "?"
	}
	return ""
}

// nearest returns the setting whose name is at most two letters away, or "".
// Short names are never taken for a misspelling of each other.
func (l *loader) nearest(name string) string {
	const shortest, farthest = 8, 2
	best, distance := "", farthest+1
	for candidate := range l.known {
		if min(len(name), len(candidate)) < shortest || max(len(name)-len(candidate), len(candidate)-len(name)) > farthest {
			continue
		}
		d := editDistance(name, candidate)
		if d < distance || d == distance && candidate < best {
			best, distance = candidate, d
		}
	}
	return best
}

// editDistance is the number of letters to insert, remove or replace.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// isFamily reports whether a name belongs to a single authority.
func (l *loader) isFamily(name string) bool {
	return slices.ContainsFunc(l.families, func(prefix string) bool {
		return strings.HasPrefix(name, prefix) && len(name) > len(prefix)
	})
}
