import { describe, expect, it } from "vitest";
import { goSyntaxError } from "./go-syntax.ts";

function complaintAbout(text: string): string {
  try {
    return `it is JSON: ${String(JSON.parse(text))}`;
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError)) throw thrown;
    return goSyntaxError(text, thrown);
  }
}

// Texts of encoding/json, as Go 1.26 has them.
describe("where a text stops being JSON, in Go's words", () => {
  it.each([
    ["apiVersion: v1", "invalid character 'a' looking for beginning of value"],
    ["", "unexpected end of JSON input"],
    ["  ", "unexpected end of JSON input"],
    ['{"a":1', "unexpected end of JSON input"],
    ['{"a"', "unexpected end of JSON input"],
    ["{a:1}", "invalid character 'a' looking for beginning of object key string"],
    ['{"a" 1}', "invalid character '1' after object key"],
    ['{"a":1 "b":2}', "invalid character '\"' after object key:value pair"],
    ['{"a":1,}', "invalid character '}' looking for beginning of object key string"],
    ["[1 2]", "invalid character '2' after array element"],
    ["[1,]", "invalid character ']' looking for beginning of value"],
    ["{} x", "invalid character 'x' after top-level value"],
    ["01", "invalid character '1' after top-level value"],
    ["1.x", "invalid character 'x' after decimal point in numeric literal"],
    ["1e+", "unexpected end of JSON input"],
    ["-x", "invalid character 'x' in numeric literal"],
    ['"a\nb"', "invalid character '\\n' in string literal"],
    ['"a\u0001b"', "invalid character '\\x01' in string literal"],
    ['"\\q"', "invalid character 'q' in string escape code"],
    ['"\\u12g4"', "invalid character 'g' in \\u hexadecimal character escape"],
    ["'a'", "invalid character '\\'' looking for beginning of value"],
  ])("%j: %s", (text, said) => {
    expect(complaintAbout(text)).toBe(said);
  });
});
