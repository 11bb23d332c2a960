package browser

// Check ticks the box, or chooses the button of a group, of that name and value. An
// empty value stands for any.
func (v *Visitor) Check(name, value string) {
	v.tb.Helper()
	v.do("check", map[string]any{"name": name, "value": value, "on": true}, nil)
}

// Uncheck is the reverse of Check for boxes.
func (v *Visitor) Uncheck(name, value string) {
	v.tb.Helper()
	v.do("check", map[string]any{"name": name, "value": value, "on": false}, nil)
}

// ChooseFile chooses a file, by its path, in the field of that name.
func (v *Visitor) ChooseFile(name, path string) {
	v.tb.Helper()
	v.do("file", map[string]any{"name": name, "path": path}, nil)
}

// Press presses a key, which Playwright names: "/", "n", "Tab", "Shift+Tab", "Enter".
func (v *Visitor) Press(key string) {
	v.tb.Helper()
	v.do("press", map[string]any{"key": key}, nil)
}

// PressThrough presses a key that leads to another page, and waits for it.
func (v *Visitor) PressThrough(key string) int {
	v.tb.Helper()
	return v.move("pressthrough", map[string]any{"key": key})
}

// Type types where the focus is.
func (v *Visitor) Type(text string) {
	v.tb.Helper()
	v.do("type", map[string]any{"text": text}, nil)
}

// Tap clicks on the link or button of that name, which stays on the page.
func (v *Visitor) Tap(name string) {
	v.tb.Helper()
	v.do("tap", map[string]any{"name": name}, nil)
}

// TapOn is Tap for what a CSS selector finds.
func (v *Visitor) TapOn(selector string) {
	v.tb.Helper()
	v.do("tapon", map[string]any{"selector": selector}, nil)
}

// ClickOn is Click for what a CSS selector finds.
func (v *Visitor) ClickOn(selector string) int {
	v.tb.Helper()
	return v.move("clickon", map[string]any{"selector": selector})
}

// Force sends the form of the page with a button that it does not offer.
func (v *Visitor) Force(name, value string) int {
	v.tb.Helper()
	return v.move("force", map[string]any{"name": name, "value": value})
}

// Fragment does something that lets scripts replace a part of the page, and waits
// until that is done.
func (v *Visitor) Fragment(act func()) {
	v.tb.Helper()
	var seen int
	v.do("seen", nil, &seen)
	act()
	v.do("fragment", map[string]any{"seen": seen}, nil)
}
