package crash

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// Observer reads a server's state.
type Observer struct {
	client *Client
	seen   map[string]int // service -> highest revision looked at
}

// NewObserver returns an observer that has seen nothing.
func NewObserver(c *Client) *Observer { return &Observer{client: c, seen: map[string]int{}} }

// atOnce is how many requests of an observation run side by side.
const atOnce = 8

// Observe reads all services, their revisions that were not looked at before,
// and closely the credentials that are asked for and those that the ledger does
// not know.
func (o *Observer) Observe(ctx context.Context, l *Ledger, credentials []string) (State, error) {
	listed, err := o.list(ctx)
	if err != nil {
		return State{}, err
	}
	s := State{Listed: listed, Credentials: map[string]Credential{}}
	if s.Services, err = o.services(ctx); err != nil {
		return State{}, err
	}
	wanted := slices.Clone(credentials)
	for id := range listed {
		if l.Revisions(id) == nil {
			wanted = append(wanted, id)
		}
	}
	found := make([]Credential, len(wanted))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i, id := range wanted {
		g.Go(func() (err error) {
			found[i], err = o.credential(ctx, id)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return State{}, err
	}
	for i, id := range wanted {
		s.Credentials[id] = found[i]
	}
	return s, nil
}

type wireCredential struct {
	ID            string            `json:"id"`
	Name          string            `json:"name"`
	Revision      int               `json:"revision"`
	Documentation string            `json:"documentation"`
	Pairs         map[string]string `json:"credential_pairs"`
}

type wireService struct {
	ID          string           `json:"id"`
	Revision    int              `json:"revision"`
	Credentials []wireCredential `json:"credentials"`
}

func (s wireService) mapped() []string {
	ids := []string{}
	for _, c := range s.Credentials {
		ids = append(ids, c.ID)
	}
	return ids
}

func (o *Observer) list(ctx context.Context) (map[string]Credential, error) {
	listed := map[string]Credential{}
	for query := ""; ; {
		var body struct {
			Credentials []wireCredential `json:"credentials"`
			NextPage    *string          `json:"next_page"`
		}
		if err := o.client.get(ctx, "/v1/credentials?limit=500"+query, &body); err != nil {
			return nil, err
		}
		for _, c := range body.Credentials {
			if _, ok := listed[c.ID]; ok {
				return nil, fmt.Errorf("credential %s is listed twice", c.ID)
			}
			listed[c.ID] = Credential{Name: c.Name, Revision: c.Revision, Documentation: c.Documentation}
		}
		if body.NextPage == nil {
			return listed, nil
		}
		query = "&page=" + url.QueryEscape(*body.NextPage)
	}
}

func (o *Observer) credential(ctx context.Context, id string) (Credential, error) {
	var current wireCredential
	if err := o.client.get(ctx, "/v1/credentials/"+id, &current); err != nil {
		return Credential{}, err
	}
	c := Credential{
		Name:          current.Name,
		Revision:      current.Revision,
		Documentation: current.Documentation,
		Pairs:         current.Pairs,
		History:       map[int]string{},
	}
	var history struct {
		Revisions []wireCredential `json:"revisions"`
	}
	if err := o.client.get(ctx, "/v1/archive/credentials/"+id, &history); err != nil {
		return Credential{}, err
	}
	for _, r := range history.Revisions {
		c.History[r.Revision] = r.Documentation
	}
	var dependents struct {
		Services []struct {
			ID string `json:"id"`
		} `json:"services"`
	}
	if err := o.client.get(ctx, "/v1/credentials/"+id+"/services", &dependents); err != nil {
		return Credential{}, err
	}
	for _, s := range dependents.Services {
		c.Dependents = append(c.Dependents, s.ID)
	}
	return c, nil
}

func (o *Observer) services(ctx context.Context) (map[string]Service, error) {
	var list struct {
		Services []wireService `json:"services"`
	}
	if err := o.client.get(ctx, "/v1/services", &list); err != nil {
		return nil, err
	}
	services := map[string]Service{}
	for _, listed := range list.Services {
		var current wireService
		if err := o.client.get(ctx, "/v1/services/"+listed.ID, &current); err != nil {
			return nil, err
		}
		s := Service{
			Revision: current.Revision,
			Mapped:   current.mapped(),
			From:     min(o.seen[listed.ID]+1, current.Revision),
			History:  map[int][]string{},
		}
		for n := s.From; n <= s.Revision; n++ {
			var historic wireService
			path := fmt.Sprintf("/v1/services/%s-%d?metadata_only=true", listed.ID, n)
			switch err := o.client.get(ctx, path, &historic); {
			case err == nil:
				s.History[n] = historic.mapped()
			case !strings.Contains(err.Error(), "status 404"):
				return nil, err
			}
		}
		o.seen[listed.ID] = s.Revision
		services[listed.ID] = s
	}
	return services, nil
}

// Past reads the pairs of every revision of a credential, by making each of them
// current again, and says which are not what its documentation promises.
func (o *Observer) Past(ctx context.Context, id string, c Credential) (read int, wrong []string, err error) {
	for n := range c.Revision {
		path := fmt.Sprintf("/v1/credentials/%s/%d", id, n+1)
		status, body, err := o.client.do(ctx, http.MethodPut, path, nil)
		if err != nil {
			return read, wrong, err
		}
		if status != http.StatusOK && !(status == http.StatusBadRequest && strings.Contains(string(body), "No difference")) {
			return read, wrong, fmt.Errorf("PUT %s: status %d: %s", path, status, body)
		}
		var current wireCredential
		if err := o.client.get(ctx, "/v1/credentials/"+id, &current); err != nil {
			return read, wrong, err
		}
		read++
		if want := map[string]string{keyOf(c.Name): valueOf(c.History[n+1])}; !maps.Equal(current.Pairs, want) {
			wrong = append(wrong, fmt.Sprintf("revision %d of credential %s holds %v, want %v", n+1, id, current.Pairs, want))
		}
	}
	return read, wrong, nil
}
