package account

import (
	"testing"
	"time"
)

// The seed and the codes of RFC 6238, appendix B, of which the last six digits
// are what six digits give.
func TestAcceptedStep_ReadsTheCodesOfTheRFC(t *testing.T) {
	t.Parallel()
	seed := []byte("12345678901234567890")
	for at, code := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		step, ok, err := acceptedStep(seed, code, time.Unix(at, 0), 0)
		if err != nil || !ok || step != at/30 {
			t.Errorf("%s at %d: step %d, %v, %v; want step %d", code, at, step, ok, err, at/30)
		}
	}
}

func TestAcceptedStep_AllowsOneStepOfDriftAndNoEarlierStep(t *testing.T) {
	t.Parallel()
	seed := []byte("12345678901234567890")
	const code, step = "081804", 1111111109 / 30 // its last second is ...109
	for name, tt := range map[string]struct {
		at   int64
		last int64
		code string
		want bool
	}{
		"its own step":           {step*30 + 29, 0, code, true},
		"one step later":         {(step+1)*30 + 29, 0, code, true},
		"one step earlier":       {(step - 1) * 30, 0, code, true},
		"two steps later":        {(step + 2) * 30, 0, code, false},
		"two steps earlier":      {(step-1)*30 - 1, 0, code, false},
		"the step before is out": {step * 30, step - 1, code, true},
		"accepted before":        {step * 30, step, code, false},
		"a later one accepted":   {step * 30, step + 1, code, false},
		"empty":                  {step * 30, 0, "", false},
		"cut":                    {step * 30, 0, code[:5], false},
		"of another time":        {step * 30, 0, "353130", false},
	} {
		if _, ok, err := acceptedStep(seed, tt.code, time.Unix(tt.at, 0), tt.last); err != nil || ok != tt.want {
			t.Errorf("%s: %v, %v; want %v", name, ok, err, tt.want)
		}
	}
}
