import { expect, test } from "vitest";
import { template } from "./template.ts";

const document = {
  Name: "/web",
  State: { Status: "running", Running: true, Health: undefined },
  Labels: { "com.example/a": "1", b: "2" },
  Ports: { "80/tcp": [{ HostPort: "8080" }], "81/tcp": [] },
};
const print = (source: string) => template(source)(document);

test("the templates of docker's documentation print what docker prints", () => {
  const port = '{{(index (index .Ports "80/tcp") 0).HostPort}}';
  expect(print(port)).toBe("8080");
  const range = "{{range $p, $at := .Ports}}{{$p}}={{len $at}} {{end}}";
  expect(print(range)).toBe("80/tcp=1 81/tcp=0 ");
  expect(print('{{index .Labels "nope"}}|{{index .Labels "b"}}')).toBe("|2");
  expect(print("{{.Labels.nope}} {{json .Labels}}")).toBe(
    '<no value> {"com.example/a":"1","b":"2"}',
  );
  expect(print("{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}")).toBe("none");
  expect(print("a {{- .Name -}} b {{/* no */}}")).toBe("a/webb ");
  expect(print('{{printf "%-6s|%03d%%" .Name 7}} {{pad "x" 1 2}}|')).toBe("/web  |007%  x  |");
  expect(print('{{join (split "a,b" ",") "-"}} {{"a b" | title | lower}}')).toBe("a-b a b");
});

test("conditions, variables and blocks are Go's", () => {
  const state = '{{if and .State.Running (eq .State.Status "paused" "running")}}up{{end}}';
  expect(print(state)).toBe("up");
  expect(print("{{if not .Name}}a{{else if gt 2 10}}b{{else}}c{{end}}")).toBe("c");
  expect(print("{{$n := 0}}{{range .Labels}}{{$n = .}}{{end}}{{$n}} {{$.Name}}")).toBe("1 /web");
  expect(print("{{with $x := .Name}}{{$x}}{{.}}{{else}}no{{end}}")).toBe("/web/web");
  expect(print("{{range .Nothing}}a{{else}}b{{end}}".replace("Nothing", "State.Health"))).toBe("b");
  for (const source of ["{{.Nope}}", "{{$x}}", "{{nope}}", "{{if 1}}", "{{end}}", "{{(1}}"]) {
    expect(() => print(source), source).toThrow("--format");
  }
  expect(() => print('{{index (index .Ports "81/tcp") 0}}')).toThrow("no element 0");
});

test("strings have Go's escapes, and what is not needed is not evaluated", () => {
  expect(print('a\\tb{{"\\n"}}{{"\\t"}}{{`\\n`}}')).toBe("a\tb\n\t\\n");
  expect(() => print('{{"\\x"}}')).toThrow("--format");
  expect(print('{{or .Name (index .Ports "81/tcp" 0)}}{{and false (.Nope)}}')).toBe("/webfalse");
  expect(print("{{and 1 .Name}}{{or false 0}}{{.Name | and 0}}")).toBe("/web00");
  expect(print('{{printf "%.200f" 1}}')).toBe(`1.${"0".repeat(100)}`);
});

test("a line of a list has its labels by name", () => {
  const line = { ID: "1", Labels: "a=b,c=d=e" };
  expect(template('{{.ID}} {{.Label "c"}} {{.Label "x"}}|')(line)).toBe("1 d=e |");
});
