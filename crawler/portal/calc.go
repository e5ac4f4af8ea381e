package portal

import (
	"fmt"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/vm"
	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// calculation is an expression on an entry (expr-lang), whose numbers are exact
// decimals: + - * / and the comparisons are replaced by our own, and nothing in
// it can loop or allocate without bound.
type calculation struct {
	program *vm.Program
	picks   map[string]*pick
}

// maxExprNodes bounds an expression's size; it has no loops, so its cost too.
const maxExprNodes = 100

var arithmetic = map[string]string{
	"+": "add_", "-": "sub_", "*": "mul_", "/": "div_",
	"<": "lt_", "<=": "le_", ">": "gt_", ">=": "ge_", "==": "eq_", "!=": "ne_",
}

// exact replaces operators by functions on decimals, and collects the literals of
// pick("…").
type exact struct{ picks map[string]bool }

func (x *exact) Visit(n *ast.Node) {
	switch t := (*n).(type) {
	case *ast.BinaryNode:
		if name, ok := arithmetic[t.Operator]; ok {
			ast.Patch(n, &ast.CallNode{Callee: &ast.IdentifierNode{Value: name}, Arguments: []ast.Node{t.Left, t.Right}})
		}
	case *ast.FloatNode:
		// The shortest text that reads as this float is what was written.
		ast.Patch(n, &ast.CallNode{Callee: &ast.IdentifierNode{Value: "number"}, Arguments: []ast.Node{&ast.StringNode{Value: fmt.Sprint(t.Value)}}})
	case *ast.UnaryNode:
		if t.Operator == "-" {
			ast.Patch(n, &ast.CallNode{Callee: &ast.IdentifierNode{Value: "sub_"}, Arguments: []ast.Node{&ast.IntegerNode{Value: 0}, t.Node}})
		}
	case *ast.CallNode:
		if id, ok := t.Callee.(*ast.IdentifierNode); ok && id.Value == "pick" && len(t.Arguments) == 1 {
			if s, ok := t.Arguments[0].(*ast.StringNode); ok {
				x.picks[s.Value] = true
			}
		}
	}
}

// parseCalculation compiles an expression. Names in it: item (the JSON entry),
// value (what pick found), pick("…"), number(x), round(x, decimals), text(x),
// lower(x), upper(x).
func parseCalculation(s string, inJSON bool) (*calculation, error) {
	x := &exact{picks: map[string]bool{}}
	options := []expr.Option{
		expr.Env(map[string]any{"item": map[string]any{}, "value": "", "pick": func(string) string { return "" }}),
		expr.MaxNodes(maxExprNodes), expr.DisableAllBuiltins(), expr.Patch(x),
		expr.Function("number", func(p ...any) (any, error) { return numberOf(p[0]) }, new(func(any) any)),
		expr.Function("text", func(p ...any) (any, error) { return textOf(p[0]), nil }, new(func(any) string)),
		expr.Function("lower", func(p ...any) (any, error) { return strings.ToLower(textOf(p[0])), nil }, new(func(any) string)),
		expr.Function("upper", func(p ...any) (any, error) { return strings.ToUpper(textOf(p[0])), nil }, new(func(any) string)),
		expr.Function("round", func(p ...any) (any, error) {
			d, err := numberOf(p[0])
			n, ok := p[1].(int)
			if err != nil || !ok || n < 0 || n > 18 {
				return nil, fmt.Errorf("round takes a number and how many decimals")
			}
			return d.Round(n), nil
		}, new(func(any, int) any)),
	}
	for op, name := range arithmetic {
		result := any(new(func(any, any) any))
		if strings.ContainsAny(op, "<>=!") {
			result = new(func(any, any) bool)
		}
		options = append(options, expr.Function(name, func(p ...any) (any, error) { return calculate(op, p[0], p[1]) }, result))
	}
	program, err := expr.Compile(s, options...)
	if err != nil {
		return nil, err
	}
	c := &calculation{program: program, picks: map[string]*pick{}}
	for text := range x.picks {
		if c.picks[text], err = parsePick(text, inJSON); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// run evaluates the expression on an entry; ok is false where it gives nothing:
// a member is missing, something isn't a number, a division by zero.
func (c *calculation) run(s *scope, value string) (text string, ok bool) {
	item, _ := native(s.e, s.doc, s.val, 0).(map[string]any)
	got, err := expr.Run(c.program, map[string]any{
		"item": item, "value": value,
		"pick": func(name string) string {
			text := ""
			if p := c.picks[name]; p != nil {
				p.walk(s, func(f found) bool {
					text = squeeze(f.text)
					return text == ""
				})
			}
			return text
		},
	})
	if err != nil || got == nil {
		return "", false
	}
	return textOf(got), true
}

func calculate(op string, a, b any) (any, error) {
	if op == "==" || op == "!=" {
		x, errX := numberOf(a)
		y, errY := numberOf(b)
		same := textOf(a) == textOf(b) && (a == nil) == (b == nil)
		if errX == nil && errY == nil {
			same = x.Cmp(y) == 0
		}
		return same == (op == "=="), nil
	}
	x, errX := numberOf(a)
	y, errY := numberOf(b)
	if errX != nil || errY != nil {
		if op == "+" && a != nil && b != nil {
			return textOf(a) + textOf(b), nil
		}
		return nil, fmt.Errorf("not a number")
	}
	switch op {
	case "+":
		return x.Add(y)
	case "-":
		return x.Sub(y)
	case "*":
		return x.Mul(y)
	case "/":
		return x.Quo(y)
	case "<":
		return x.Cmp(y) < 0, nil
	case "<=":
		return x.Cmp(y) <= 0, nil
	case ">":
		return x.Cmp(y) > 0, nil
	}
	return x.Cmp(y) >= 0, nil
}

func numberOf(v any) (cashback.Decimal, error) {
	switch t := v.(type) {
	case cashback.Decimal:
		return t, nil
	case int:
		return decimal.New(int64(t), 0)
	case string:
		return decimalOf(t)
	}
	return cashback.Decimal{}, fmt.Errorf("not a number")
}

func textOf(v any) string {
	switch t := v.(type) {
	case nil:
		return ""
	case string:
		return t
	case cashback.Decimal:
		return t.Trim(0).String()
	}
	return fmt.Sprint(v)
}

// native turns a JSON value into what an expression sees.
func native(e *reader, d *jsonDoc, v *value, depth int) any {
	e.meter.spend(1)
	v = d.follow(v)
	if v == nil || depth > 8 {
		return nil
	}
	switch v.kind {
	case jsonNumber:
		if n, err := decimalOf(v.text); err == nil {
			return n
		}
		return nil
	case jsonBool:
		return v.text == "true"
	case jsonString:
		return v.text
	case jsonArray:
		list := make([]any, 0, len(v.list))
		for _, m := range v.list {
			list = append(list, native(e, d, m, depth+1))
		}
		return list
	case jsonObject:
		members := make(map[string]any, len(v.keys))
		for i, k := range v.keys {
			members[k] = native(e, d, v.list[i], depth+1)
		}
		return members
	}
	return nil
}
