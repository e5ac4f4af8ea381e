package pages

import "strings"

// browserOf is what people call a browser, from its own long word for itself: enough
// to tell one's phone from one's desk. Anything else is shown as it is.
func browserOf(c Chrome, agent string) string {
	name := first(agent, [][2]string{
		{"Firefox/", "Firefox"}, {"Edg", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser/", "Samsung Internet"},
		{"Chrome/", "Chrome"}, {"CriOS/", "Chrome"}, {"FxiOS/", "Firefox"}, {"Safari/", "Safari"},
	})
	if name == "" {
		if agent == "" {
			return c.T("account.unknown_browser")
		}
		return agent
	}
	system := first(agent, [][2]string{
		{"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"},
	})
	if system == "" {
		return name
	}
	return c.T("account.browser_on", "Browser", name, "System", system)
}

// first is the name of the first mark that a text holds.
func first(text string, marks [][2]string) string {
	for _, m := range marks {
		if strings.Contains(text, m[0]) {
			return m[1]
		}
	}
	return ""
}
