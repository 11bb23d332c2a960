package webui

// pages returns every page by the name that its routes give it.
func pages() map[string]page {
	return map[string]page{
		"home":      home,
		"resources": resources,
		"help":      help,
		"theme":     theme,

		"credential-new":     newCredential,
		"credential":         showCredential,
		"credential-edit":    editCredential,
		"credential-state":   credentialState.page,
		"credential-archive": archiveCredential,
		"credential-reveal":  reveal,
		"credential-history": credentialChronicle.history,
		"credential-compare": credentialChronicle.comparison,
		"credential-diff":    credentialChronicle.diff,
		"credential-revert":  credentialChronicle.reverts,

		"blind-new":     newBlind,
		"blind":         showBlind,
		"blind-edit":    editBlind,
		"blind-state":   blindState.page,
		"blind-history": blindChronicle.history,
		"blind-compare": blindChronicle.comparison,
		"blind-diff":    blindChronicle.diff,
		"blind-revert":  blindChronicle.reverts,

		"service-new":        newService,
		"service":            showService,
		"service-edit":       editService,
		"service-candidates": serviceCandidates,
		"service-state":      serviceState.page,
		"service-history":    serviceChronicle.history,
		"service-compare":    serviceChronicle.comparison,
		"service-diff":       serviceChronicle.diff,
		"service-revert":     serviceChronicle.reverts,
	}
}
