package commands

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/confidant-secrets/confidant/internal/proof/cloud"
	"github.com/confidant-secrets/confidant/internal/store"
)

// aged puts rows into both tables, and every one of them into the forms of older
// versions of the service, revisions too.
func aged(t *testing.T, c *cloud.Cloud) {
	t.Helper()
	for _, table := range []string{cloud.Table, cloud.Archive} {
		for _, kind := range []string{"credential", "blind-credential", "service"} {
			for prefix, suffix := range map[string]string{"": "", "archive-": "-1"} {
				common := `"modified_date": {"S": "2016-03-04T05:06:07.000000+0000"}, "modified_by": {"S": "ann"}, "revision": {"N": "1"}, "enabled": {"N": "1"}`
				its := map[string]string{
					"credential":       `"name": {"S": "a"}, "credential_pairs": {"S": "x"}, "data_key": {"B": "YTJWNQ=="}, "cipher_version": {"N": "2"}`,
					"blind-credential": `"name": {"S": "b"}, "credential_pairs": {"S": "{}"}, "data_key": {"S": "{}"}, "cipher_type": {"S": "fernet"}, "cipher_version": {"N": "2"}, "credential_keys": {"SS": ["\"user\"", "\"password\""]}`,
					"service":          `"credentials": {"SS": ["\"the-credential\""]}, "blind_credentials": {"SS": ["\"the-blind-credential\""]}`,
				}[kind]
				c.PutItem(t, table, json.RawMessage(fmt.Sprintf(`{"id": {"S": "the-%s%s"}, "data_type": {"S": "%s%s"}, %s, %s}`,
					kind, suffix, prefix, kind, common, its)))
			}
		}
	}
}

// migrations are the commands, with what they need to change anything, and what
// they do to a row.
var migrations = []struct {
	args   []string
	change []string // arguments that make them change something
	rows   int      // of those of aged
	modern map[string]types.AttributeValue
	kinds  string // of which rows
}{
	{
		[]string{"migrate-boolean-attribute", "--archive", "--update-rate", "1000", "--RCU", "1000"},
		nil, 12,
		map[string]types.AttributeValue{"enabled": &types.AttributeValueMemberBOOL{Value: true}},
		"credential",
	},
	{
		[]string{"migrate-blind-cred-set-attribute"},
		[]string{"--force"},
		4,
		map[string]types.AttributeValue{"credential_keys": textSet("password", "user")},
		"blind-credential",
	},
	{
		[]string{"migrate-service-set-attribute"}, []string{"--force"}, 4, map[string]types.AttributeValue{
			"credentials": textSet("the-credential"), "blind_credentials": textSet("the-blind-credential"),
		}, "service",
	},
}

func textSet(elements ...string) types.AttributeValue {
	return &types.AttributeValueMemberSS{Value: elements}
}

var asItems = cmp.Options{
	cmpopts.IgnoreUnexported(
		types.AttributeValueMemberS{}, types.AttributeValueMemberN{}, types.AttributeValueMemberB{}, types.AttributeValueMemberBOOL{},
		types.AttributeValueMemberSS{}, types.AttributeValueMemberL{}),
	cmpopts.SortSlices(strings.Compare),
}

// migrated is the JSON of a run.
type migrated struct {
	Rows    []struct{ Table, Key, Status, Reason string }
	Summary struct {
		DryRun               bool `json:"dry_run"`
		Interrupted, Limited bool
		Needed, Done, Failed int
	}
}

func (s tables) migrate(t *testing.T, code int, args ...string) migrated {
	t.Helper()
	r := s.Run(append(slices.Clone(args), "--json")...)
	var out migrated
	if err := json.Unmarshal([]byte(r.Stdout), &out); err != nil || r.Code != code {
		t.Fatalf("confidant %s ends with %d, want %d\n%s%s", strings.Join(args, " "), r.Code, code, r.Stdout, r.Stderr)
	}
	return out
}

func TestMigrations_RewriteEveryOlderForm(t *testing.T) {
	if !cloud.Wanted() {
		return
	}
	t.Parallel()
	s, c := inCloud(t)
	aged(t, c)
	want := map[string]items{cloud.Table: scan(t, c, cloud.Table), cloud.Archive: scan(t, c, cloud.Archive)}
	compare := func(when string) {
		t.Helper()
		for _, table := range []string{cloud.Table, cloud.Archive} {
			if d := cmp.Diff(want[table], scan(t, c, table), asItems); d != "" {
				t.Errorf("%s: table %s (-want +got):\n%s", when, table, d)
			}
		}
	}
	// What the program itself makes of them.
	read := func() (main, archive []string) {
		s.with(t, func(st store.Store) { main, archive = contents(t, st) })
		return main, archive
	}
	main, archive := read()

	for _, m := range migrations {
		dry := m.args
		if m.change == nil {
			dry = append(slices.Clone(dry), "--dry-run")
		}
		out := s.migrate(t, 0, dry...)
		if out.Summary.Done != m.rows || !out.Summary.DryRun || len(out.Rows) != m.rows {
			t.Errorf("%s: %+v, want %d rows", m.args[0], out.Summary, m.rows)
		}
		compare("after a dry run of " + m.args[0])

		args := append(slices.Clone(m.args), m.change...)
		r := s.Run(args...)
		if lines := strings.Count(r.Stdout, "\nRewrote ") + 1; r.Code != 0 || lines != m.rows ||
			!strings.Contains(r.Stdout, fmt.Sprintf("\n%d rows in the older form, %d rewritten, 0 failed.\n", m.rows, m.rows)) {
			t.Errorf("%s ends with %d\n%s%s", m.args[0], r.Code, r.Stdout, r.Stderr)
		}
		if n := strings.Count(r.Stderr, `"action":"update"`); n != m.rows {
			t.Errorf("%s: %d audit records, want %d\n%s", m.args[0], n, m.rows, r.Stderr)
		}
		for _, rows := range want {
			for _, it := range rows {
				if it[slices.Sorted(maps.Keys(m.modern))[0]] != nil {
					maps.Copy(it, m.modern)
				}
			}
		}
		compare("after " + m.args[0])
		if again := s.migrate(t, 0, args...); again.Summary.Needed != 0 {
			t.Errorf("%s again: %+v", m.args[0], again.Summary)
		}
		compare("after " + m.args[0] + " again")
	}
	if after, archived := read(); !slices.Equal(main, after) || !slices.Equal(archive, archived) {
		t.Errorf("it reads %v and %v, before %v and %v", after, archived, main, archive)
	}
}

// The archive is another table, which the booleans leave alone unless asked.
func TestMigrateBooleans_TouchesTheArchiveOnlyWhenAsked(t *testing.T) {
	if !cloud.Wanted() {
		return
	}
	t.Parallel()
	s, c := inCloud(t)
	aged(t, c)
	archive := scan(t, c, cloud.Archive)
	out := s.migrate(t, 0, "migrate_boolean_attribute", "--RCU", "10", "--page_size", "3", "--limit", "4", "--update_rate", "100")
	if out.Summary.Done != 4 || !out.Summary.Limited {
		t.Errorf("with a limit: %+v", out.Summary)
	}
	if out = s.migrate(t, 0, "migrate_boolean_attribute", "--scan_without_rcu", "--update_rate", "100"); out.Summary.Done != 2 {
		t.Errorf("%+v, want the other 2 rows", out.Summary)
	}
	if d := cmp.Diff(archive, scan(t, c, cloud.Archive), asItems); d != "" {
		t.Errorf("the archive (-before +after):\n%s", d)
	}
}

// interloper does something before some calls of the program, or answers them.
type interloper struct {
	mu     sync.Mutex
	before map[string]func(n int) (answer string) // by operation; n counts from 1; "" forwards
	counts map[string]int
}

func (i *interloper) stand(t *testing.T, dynamo string) string {
	t.Helper()
	to, err := url.Parse(dynamo)
	if err != nil {
		t.Fatal(err)
	}
	i.counts = map[string]int{}
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host // it is signed
	}}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		if code := i.meet(operation); code != "" {
			w.Header().Set("Content-Type", "application/x-amz-json-1.0")
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"__type":"com.amazonaws.dynamodb.v20120810#%s","message":"made up"}`, code)
			return
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	return proxy.URL
}

func (i *interloper) meet(operation string) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.counts[operation]++
	if f := i.before[operation]; f != nil {
		return f(i.counts[operation])
	}
	return ""
}

// A row that somebody changes between being read and being rewritten, and one
// that the table has no capacity for, are counted and left for the next run.
func TestMigrations_LostAndThrottledRowsAreLeftForTheNextRun(t *testing.T) {
	if !cloud.Wanted() {
		return
	}
	t.Parallel()
	for name, tt := range map[string]struct {
		meddle func(t *testing.T, c *cloud.Cloud, n int) string
		reason string
		rows   int // that fail
	}{
		"changed": {func(t *testing.T, c *cloud.Cloud, n int) string {
			if n == 1 {
				for _, suffix := range []string{"", "-1"} {
					_, err := c.Dynamo.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
						TableName: aws.String(cloud.Table), Key: map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: "the-service" + suffix}},
						UpdateExpression:          aws.String("SET credentials = :c"),
						ExpressionAttributeValues: map[string]types.AttributeValue{":c": textSet(`"another"`)},
					})
					if err != nil {
						t.Error(err)
					}
				}
			}
			return ""
		}, "it changed meanwhile", 2},
		"throttled": {func(_ *testing.T, _ *cloud.Cloud, n int) string {
			if n <= 3 { // all attempts of the first row
				return "ProvisionedThroughputExceededException"
			}
			return ""
		}, "the table takes no more writes", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, c := inCloud(t)
			aged(t, c)
			direct := s.Settings["DYNAMODB_URL"]
			i := interloper{before: map[string]func(int) string{"UpdateItem": func(n int) string { return tt.meddle(t, c, n) }}}
			s.Settings["DYNAMODB_URL"] = i.stand(t, direct)
			out := s.migrate(t, 1, "migrate-service-set-attribute", "--force")
			if out.Summary.Failed != tt.rows || out.Summary.Done != 4-tt.rows {
				t.Errorf("%+v", out.Summary)
			}
			for _, row := range out.Rows {
				if row.Status == "failed" && !strings.HasPrefix(row.Reason, tt.reason) {
					t.Errorf("%+v", row)
				}
			}
			if name == "changed" {
				mapped := scan(t, c, cloud.Table)["the-service"]["credentials"].(*types.AttributeValueMemberSS).Value
				if !slices.Equal(mapped, []string{`"another"`}) {
					t.Errorf("the change is overwritten by %q", mapped)
				}
			}
			if out = s.migrate(t, 0, "migrate-service-set-attribute", "--force"); out.Summary.Done != tt.rows {
				t.Errorf("the next run: %+v", out.Summary)
			}
		})
	}
}

// A migration is killed after each of its calls in turn, and the next finishes.
func TestMigrations_KilledAtAnyCall_TheNextRunFinishes(t *testing.T) {
	if !cloud.Wanted() {
		return
	}
	t.Parallel()
	m := migrations[2]
	args := append(slices.Clone(m.args), m.change...)
	s, c := inCloud(t)
	direct := s.Settings["DYNAMODB_URL"]
	var points []string
	for n := 1; ; n++ {
		aged(t, c) // as they once were
		k := killer{at: n}
		s.Settings["DYNAMODB_URL"] = k.before(t, direct)
		k.start(t, s.Command(t.Context(), args...))
		s.Settings["DYNAMODB_URL"] = direct
		call, killed := k.called()
		if !killed {
			break
		}
		points = append(points, call)
		for _, table := range []string{cloud.Table, cloud.Archive} {
			for id, it := range scan(t, c, table) {
				if got := it["credentials"]; got != nil && len(got.(*types.AttributeValueMemberSS).Value) != 1 {
					t.Errorf("killed after call %d, %s: %s maps %v", n, call, id, got)
				}
			}
		}
		s.migrate(t, 0, args...)
		for _, table := range []string{cloud.Table, cloud.Archive} {
			for id, it := range scan(t, c, table) {
				if kindOf(it) != "service" && kindOf(it) != "archive-service" {
					continue
				}
				for attribute, want := range m.modern {
					if d := cmp.Diff(want, it[attribute], asItems); d != "" {
						t.Errorf("killed after call %d, %s: after the next run %s of %s (-want +got):\n%s", n, call, attribute, id, d)
					}
				}
			}
		}
	}
	if t.Logf("killed after %d calls: %s", len(points), strings.Join(points, ", ")); len(points) < 10 {
		t.Errorf("the run makes only %d calls", len(points))
	}
}

// The rates hold on a real clock, and Ctrl-C finishes the row in hand.
func TestMigrateBooleans_IsSlowAndEndsBetweenRows(t *testing.T) {
	if !cloud.Wanted() {
		return
	}
	t.Parallel()
	s, c := inCloud(t)
	aged(t, c)
	began := time.Now()
	cmd := s.Command(t.Context(), "migrate-boolean-attribute", "--update-rate", "4")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	for range 3 {
		if line, err := lines.ReadString('\n'); err != nil || !strings.HasPrefix(line, "Rewrote the-") {
			t.Errorf("it says %q, %v", line, err)
		}
	}
	if took := time.Since(began); took < 500*time.Millisecond {
		t.Errorf("3 updates took %v at 4 a second", took)
	}
	if r := s.Run("migrate-service-set-attribute", "--force"); r.Code != 5 {
		t.Errorf("a second run ends with %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	rest, err := readAll(lines)
	if err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // the code tells
	if code := cmd.ProcessState.ExitCode(); code != 130 || !strings.HasSuffix(rest[len(rest)-1], "The rest is as it was; run it again to finish.") {
		t.Errorf("exit code %d, want 130\n%q\n%s", code, rest, stderr.String())
	}
	rewritten := 0
	for _, it := range scan(t, c, cloud.Table) {
		if _, modern := it["enabled"].(*types.AttributeValueMemberBOOL); modern {
			rewritten++
		}
	}
	next := s.migrate(t, 0, "migrate-boolean-attribute", "--update-rate", "100")
	if rewritten+next.Summary.Done != 6 || rewritten < 3 || next.Summary.Done == 0 {
		t.Errorf("%d rows were rewritten, and %d by the next run", rewritten, next.Summary.Done)
	}
}

// The policy is asked before anything is read or changed, and a refusal recorded.
func TestMigrations_AskThePolicy(t *testing.T) {
	if !cloud.Wanted() {
		return
	}
	t.Parallel()
	s, c := inCloud(t)
	aged(t, c)
	file := filepath.Join(t.TempDir(), "frozen.cedar")
	if err := os.WriteFile(file, []byte(`forbid (principal is Operator, action == Action::"update", resource is service);`), 0o600); err != nil {
		t.Fatal(err)
	}
	s.MustRun("config", "policy", "create", "frozen", "-f", file)
	before := scan(t, c, cloud.Table)
	for _, args := range [][]string{{"migrate-service-set-attribute", "--force"}, {"migrate-boolean-attribute"}} {
		r := s.Run(args...)
		if r.Code != 1 || !strings.Contains(r.Stderr, "does not have access to change rows of the type service") ||
			!strings.Contains(r.Stderr, `"success":false`) || r.Stdout != "" {
			t.Errorf("%s ends with %d\n%s%s", args[0], r.Code, r.Stdout, r.Stderr)
		}
	}
	if d := cmp.Diff(before, scan(t, c, cloud.Table), asItems); d != "" {
		t.Errorf("(-before +after):\n%s", d)
	}
	s.MustRun("migrate-service-set-attribute") // which changes nothing
	s.MustRun("migrate-blind-cred-set-attribute", "--force")
}
