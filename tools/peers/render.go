package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// render writes what is in results between the marks of docs/benchmarks.md, and docs/plots.
//
//	<!-- measured: broadcast-1 -->
//	…
//	<!-- end -->
//
// What stands around the marks stays as it is.
func render(root, results string) error {
	outcomes, err := loadAll(results)
	if err != nil {
		return err
	}
	plots := filepath.Join(root, "docs", "plots")
	parts := map[string]string{"machine": machines(outcomes), "targets": targetTable(outcomes)}
	for _, s := range sections() {
		if err := s.draw(plots, outcomes); err != nil {
			return err
		}
		parts[s.id] = s.markdown(outcomes)
	}
	page := filepath.Join(root, "docs", "benchmarks.md")
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	filled, err := fill(string(text), parts)
	if err != nil {
		return fmt.Errorf("%s: %w", page, err)
	}
	return os.WriteFile(page, []byte(filled), 0o644)
}

// loadAll reads the outcomes of all workloads; those that were not measured are empty.
func loadAll(results string) (map[string]*outcome, error) {
	outcomes := map[string]*outcome{}
	for _, s := range sections() {
		for _, w := range s.workloads {
			o := &outcome{}
			if err := load(results, w.id, o); err != nil {
				return nil, err
			}
			outcomes[w.id] = o
		}
	}
	return outcomes, nil
}

// machines says where and with what all was measured, and of each what, if that was not one run.
func machines(outcomes map[string]*outcome) string {
	var texts []string
	measured := map[string][]string{}
	for _, s := range sections() {
		for _, w := range s.workloads {
			if o := outcomes[w.id]; len(o.Series) > 0 {
				text := o.Machine.String()
				if measured[text] == nil {
					texts = append(texts, text)
				}
				measured[text] = append(measured[text], w.id)
			}
		}
	}
	switch len(texts) {
	case 0:
		return "Nothing was measured."
	case 1:
		return texts[0]
	}
	for i, text := range texts {
		texts[i] = "- " + strings.Join(measured[text], ", ") + ": " + text
	}
	return strings.Join(texts, "\n")
}

// markdown is the commands of a section, its table and its plot.
func (s *section) markdown(outcomes map[string]*outcome) string {
	var b strings.Builder
	for _, w := range s.workloads {
		args := cmp.Or(outcomes[w.id].Args, w.args)
		if strings.HasPrefix(args, failoverArgs) {
			fmt.Fprintf(&b, "    gopush bench %s --end HOW --registry REGISTRY\n", args)
			continue
		}
		fmt.Fprintf(&b, "    gopush bench %s --subject SERVER\n", args)
	}
	fmt.Fprintf(&b, "\n%s\n![%s](plots/%s.svg)\n", s.table(outcomes), s.title, s.id)
	return b.String()
}

// fill replaces what stands between the marks of page by parts. Each part needs its mark.
func fill(page string, parts map[string]string) (string, error) {
	const end = "<!-- end -->"
	for id, part := range parts {
		mark := "<!-- measured: " + id + " -->\n"
		before, rest, found := strings.Cut(page, mark)
		_, after, ended := strings.Cut(rest, end)
		if !found || !ended {
			return "", fmt.Errorf("no %q with %q behind it; put them where the table is to stand", strings.TrimSpace(mark), end)
		}
		page = before + mark + "\n" + strings.Trim(part, "\n") + "\n\n" + end + after
	}
	return page, nil
}
