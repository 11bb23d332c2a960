package dynamo

import (
	"encoding/json"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/confidant-secrets/confidant/internal/store"
)

// attrServices is the content of a mapping document: a string set, so that two
// services that map one credential at once need not read it first and do not
// get into each other's way.
const attrServices = "services"

// mappable takes out of a list the ids that nothing can have. The older service
// did not look at those of blind credentials.
func mappable(ids []string) []string {
	return slices.DeleteFunc(ids, func(id string) bool { return id == "" || !validKey(documentKey(store.KindMapping, id)) })
}

// changeMapping adds a service to a mapping document or takes it out ("ADD",
// "DELETE"). The document may not exist yet; it never goes away while the
// credential stands, so that its version keeps counting. It has no
// modified_date, so that it never enters the index.
func (s *Store) changeMapping(table, verb, id, service string) *action {
	a := &action{verb: update, table: table, key: documentKey(store.KindMapping, id)}
	version := a.name(attrVersion)
	a.change = "SET " + a.is(attrDataType, text(documentType(store.KindMapping))) +
		", " + version + " = if_not_exists(" + version + ", " + a.value(number(0)) + ") + " + a.value(number(1)) +
		" " + verb + " " + a.name(attrServices) + " " + a.value(&types.AttributeValueMemberSS{Value: []string{service}})
	return a
}

// changeMappings are the actions of many changes, each a group of its own.
func (s *Store) changeMappings(table, verb, service string, ids []string) [][]*action {
	groups := make([][]*action, len(ids))
	for i, id := range ids {
		groups[i] = []*action{s.changeMapping(table, verb, id, service)}
	}
	return groups
}

// mappingRow is a whole mapping document.
func mappingRow(id string, services []string, version int) item {
	it := item{}
	it.setText(attrID, documentKey(store.KindMapping, id))
	it.setText(attrDataType, documentType(store.KindMapping))
	it.setNumber(attrVersion, version)
	it.setSet(attrServices, services)
	return it
}

// mappingBody is the content of a mapping document in its public form.
func mappingBody(services []string) json.RawMessage {
	sorted := append([]string{}, services...)
	slices.Sort(sorted)
	b, err := json.Marshal(store.Mapping{Services: sorted})
	if err != nil {
		panic("dynamo: a mapping is a list of texts: " + err.Error())
	}
	return b
}
