package pvesim

import (
	"errors"
	"fmt"
	"strings"
)

// CheckRequests verifies requests that a client sent against the API schemas of both majors, whichever it spoke to, and
// returns everything that is wrong with any of them. Requests that were refused before their parameters were read are
// left out.
func CheckRequests(requests []Request) error {
	var errs []error
	for i, r := range requests {
		if r.Params == nil {
			continue
		}
		for _, major := range []int{8, 9} {
			if err := CheckRequest(major, r); err != nil {
				errs = append(errs, fmt.Errorf("request %d: %w", i+1, err))
			}
		}
	}
	return errors.Join(errs...)
}

// CheckRequest verifies one request against the API schema of a major version.
func CheckRequest(major int, r Request) error {
	schemas, err := loadSchemas()
	if err != nil {
		return err
	}
	s, ok := schemas[major]
	if !ok {
		return fmt.Errorf("no schema of version %d", major)
	}
	path := strings.TrimPrefix(r.Path, "/api2/json")
	for _, m := range s.paths {
		inPath, matches := match(m.Path, path)
		if m.HTTP != r.Method || !matches {
			continue
		}
		all := params{}
		for name, values := range r.Params {
			all[name] = values
		}
		for name, value := range inPath {
			all[name] = []string{value}
		}
		if err := m.verify(all); err != nil {
			return describe(major, r, err)
		}
		return nil
	}
	return fmt.Errorf("version %d has no method %s %s", major, r.Method, path)
}

func describe(major int, r Request, err error) error {
	var refusal *apiError
	if !errors.As(err, &refusal) {
		return err
	}
	var parts []string
	for _, name := range sortedKeys(refusal.fields) {
		parts = append(parts, name+": "+strings.TrimSpace(refusal.fields[name]))
	}
	return fmt.Errorf("version %d: %s %s: %s", major, r.Method, r.Path, strings.Join(parts, "; "))
}
