// Decides questions by Go casbin. Input and output are those of decide.py.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/casbin/casbin/v2"
	"github.com/casbin/casbin/v2/model"
)

type entry struct {
	Model     string          `json:"model"`
	Policy    string          `json:"policy"`
	P         [][]string      `json:"p"`
	G         [][]string      `json:"g"`
	G2        [][]string      `json:"g2"`
	Questions [][]interface{} `json:"questions"`
}

func enforcerOf(one entry) (*casbin.Enforcer, error) {
	if one.Policy != "" {
		return casbin.NewEnforcer(one.Model, one.Policy)
	}
	text, err := model.NewModelFromString(one.Model)
	if err != nil {
		return nil, err
	}
	enforcer, err := casbin.NewEnforcer(text)
	if err != nil {
		return nil, err
	}
	if _, err := enforcer.AddPolicies(one.P); err != nil {
		return nil, err
	}
	for table, links := range map[string][][]string{"g": one.G, "g2": one.G2} {
		if len(links) > 0 {
			if _, err := enforcer.AddNamedGroupingPolicies(table, links); err != nil {
				return nil, err
			}
		}
	}
	if len(enforcer.GetPolicy()) != len(one.P) {
		return nil, fmt.Errorf("rules were lost")
	}
	return enforcer, nil
}

func answers(one entry) []interface{} {
	all := make([]interface{}, len(one.Questions))
	enforcer, err := enforcerOf(one)
	for place, question := range one.Questions {
		if err != nil {
			all[place] = "error: " + err.Error()
			continue
		}
		if allowed, err := enforcer.Enforce(question...); err != nil {
			all[place] = "error: " + err.Error()
		} else {
			all[place] = allowed
		}
	}
	return all
}

func main() {
	var cases []entry
	if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	all := make([][]interface{}, len(cases))
	for place, one := range cases {
		all[place] = answers(one)
	}
	if err := json.NewEncoder(os.Stdout).Encode(all); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
