package crash

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/proof/server"
	"golang.org/x/sync/errgroup"
)

var (
	rounds = flag.Int("rounds", 3, "how often the server is killed under its writers")
	seed   = flag.Uint64("seed", uint64(time.Now().UnixNano()), "what the run's choices follow from")
)

func TestMain(m *testing.M) { server.Main(m) }

const writers = 8

func TestKill_LosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	prove(t, nil, *rounds)
}

func TestKill_LosesNothingAcknowledgedWhenEveryRecordIsFlushed(t *testing.T) {
	t.Parallel()
	prove(t, map[string]string{"AUDIT_SYNC": "always"}, max(1, *rounds/10))
}

// run is one server that is killed again and again, and what is known of it.
type run struct {
	*testing.T
	program *server.Program
	server  *server.Server
	token   string
	client  *Client
	ledger  *Ledger
	watch   *Observer
	random  *rand.Rand
	number  atomic.Int64

	ready     []time.Duration // how long each restart took
	early     int             // kills during a start
	settled   Settled
	revisions int // of credentials, read back with their pairs
}

func prove(t *testing.T, settings map[string]string, rounds int) {
	r := &run{T: t, program: server.New(t, settings), ledger: NewLedger(), random: rand.New(rand.NewPCG(*seed, 0))}
	r.program.Start().Stop()
	r.token = r.program.UserToken("crash")
	r.start()
	r.prepare()
	for round := range rounds {
		r.write()
		if round%5 == 1 {
			r.killEarly()
		}
		r.start()
		r.judge(round)
		if t.Failed() {
			t.Fatalf("round %d of %d, seed %d\n%s", round+1, rounds, *seed, r.server.Log())
		}
	}
	r.readBack()
	r.audit()
	if !t.Failed() {
		r.report(rounds)
	}
}

// start starts the server and waits until it is ready.
func (r *run) start() {
	began := time.Now()
	r.server = r.program.Start()
	r.ready = append(r.ready, time.Since(began))
	if r.client != nil {
		r.client.Close()
	}
	r.client = NewClient(r.server.BaseURL, r.token)
	if r.watch == nil {
		r.watch = NewObserver(r.client)
	}
	r.watch.client = r.client
}

// prepare makes the credentials that all writers change.
func (r *run) prepare() {
	w := r.writer(0)
	for len(r.ledger.IDs()) < sharedCredentials {
		if gone, unexpected := w.Step(r.Context()); gone || unexpected != "" {
			r.Fatalf("preparing: %s\n%s", unexpected, r.server.Log())
		}
	}
}

func (r *run) writer(i int) *Writer {
	return &Writer{
		client: r.client,
		ledger: r.ledger,
		number: &r.number,
		random: rand.New(rand.NewPCG(*seed, r.random.Uint64())),
		name:   fmt.Sprintf("writer%c", 'a'+rune(i)),
	}
}

// write lets the writers write and kills the server under them.
func (r *run) write() {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	var done sync.WaitGroup
	for i := range writers {
		w := r.writer(i)
		done.Go(func() {
			for _, wrong := range w.Run(ctx) {
				r.Error(wrong)
			}
		})
	}
	time.Sleep(r.between(100, 400))
	r.server.Kill()
	done.Wait()
}

// killEarly starts the server and kills it before it is done with starting.
func (r *run) killEarly() {
	s := r.program.Launch()
	time.Sleep(r.between(0, 60))
	s.Kill()
	r.early++
}

func (r *run) between(low, high int) time.Duration {
	return time.Duration(low+r.random.IntN(high-low)) * time.Millisecond
}

// judge reads back what was written since the last time and holds it against
// the ledger; the audit log must verify.
func (r *run) judge(round int) {
	credentials, _ := r.ledger.Touched()
	state, err := r.watch.Observe(r.Context(), r.ledger, credentials)
	if err != nil {
		r.Fatalf("round %d: %v\n%s", round, err, r.server.Log())
	}
	settled, wrong := r.ledger.Settle(state)
	r.settled.CutOff += settled.CutOff
	r.settled.Done += settled.Done
	for _, w := range wrong {
		r.Errorf("round %d: %s", round, w)
	}
	if got := r.program.Run("audit", "verify"); got.Code != 0 {
		r.Errorf("round %d: audit verify: exit %d\n%s%s", round, got.Code, got.Stdout, got.Stderr)
	}
}

// readBack looks at everything that was ever written, and at the pairs of every
// revision.
func (r *run) readBack() {
	ids := r.ledger.IDs()
	clear(r.watch.seen)
	state, err := r.watch.Observe(r.Context(), r.ledger, ids)
	if err != nil {
		r.Fatal(err)
	}
	if _, wrong := r.ledger.Settle(state); len(wrong) > 0 {
		r.Errorf("at the end: %q", wrong)
	}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(r.Context())
	g.SetLimit(atOnce)
	for _, id := range ids {
		g.Go(func() error {
			read, wrong, err := r.watch.Past(ctx, id, state.Credentials[id])
			mu.Lock()
			defer mu.Unlock()
			r.revisions += read
			for _, w := range wrong {
				r.Error(w)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		r.Error(err)
	}
}

// audit holds the audit log against what was acknowledged.
func (r *run) audit() {
	recorded, err := Recorded(r.program.MustRun("audit", "dump", "--json"))
	if err != nil {
		r.Fatal(err)
	}
	for _, w := range r.ledger.Counts().Unrecorded(recorded) {
		r.Errorf("audit: %s", w)
	}
	if check := r.program.Run("check"); check.Code != 0 {
		r.Errorf("check: exit %d\n%s%s", check.Code, check.Stdout, check.Stderr)
	}
}

func (r *run) report(rounds int) {
	counts, total, kinds := r.ledger.Counts(), 0, []string{}
	for _, kind := range []Kind{Create, Update, Revert, Map} {
		total += counts.Acknowledged[kind]
		kinds = append(kinds, fmt.Sprintf("%s %d", kind, counts.Acknowledged[kind]))
	}
	slices.Sort(r.ready)
	fmt.Fprintf(r.Output(), "%d kills under %d writers, %d more during a start, seed %d\n", rounds, writers, r.early, *seed)
	fmt.Fprintf(r.Output(), "%d writes acknowledged (%s): all there, with an audit record each\n", total, strings.Join(kinds, ", "))
	fmt.Fprintf(r.Output(), "%d writes refused, %d answered 503; %d without an answer, of which %d were done\n",
		counts.Refused, counts.Unavailable, r.settled.CutOff, r.settled.Done)
	fmt.Fprintf(r.Output(), "%d revisions of %d credentials read back with their pairs\n", r.revisions, len(r.ledger.IDs()))
	fmt.Fprintf(r.Output(), "ready again after %v, at most %v\n", r.ready[len(r.ready)/2].Round(time.Millisecond), r.ready[len(r.ready)-1].Round(time.Millisecond))
}
