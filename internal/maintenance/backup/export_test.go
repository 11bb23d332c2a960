package backup

// StopAt has stop called at each point that Create reaches.
func (s *Source) StopAt(stop func(point string)) { s.reached = stop }

// StopAt has stop called at each point that Swap and PlaceLog reach.
func (s *Staged) StopAt(stop func(point string)) { s.reached = stop }
