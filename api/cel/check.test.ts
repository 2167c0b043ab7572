import { describe, expect, it } from "vitest";
import { checkCel } from "./check.ts";
import type { CelScope } from "./types.ts";

const SCOPE: CelScope = {
  object: "dyn", request: { fields: { name: "string" } }, names: "list",
};

describe("an expression", () => {
  it.each([
    ["object.spec.replicas <= 5 && request.name.startsWith('a')", "bool"],
    ["has(object.a) ? object.a : 'none'", "dyn"],
    ["names.all(name, name.size() < 64)", "bool"],
    ["names.map(each, each + \"x\")", "list"],
    ["sets.contains(names, ['a', \"b\"])", "dyn"],
    ["!(1 + 2 * 3 - -4 > 0x1f % 3) || 'a' in {'a': 1u}", "bool"],
    ["r'\\d' + '''long\ntext'''", "string"],
    ["object[?'a'].orValue([1.5, 2e3])", "dyn"],
    ["size(names) // how many\n", "int"],
  ])("%s gives %s", (text, type) => {
    expect(checkCel(text, SCOPE)).toEqual({ type });
  });

  it.each([
    ["Bad_Value!", "Syntax error"],
    ["1 +", "Syntax error"],
    ["'open", "token recognition error"],
    ["f(1, 2", "expecting ')'"],
    ["object.in.x ? 1", "expecting ':'"],
    ["for", "reserved identifier: for"],
    ["other > 1", "undeclared reference to 'other'"],
    ["names.all(name, title)", "undeclared reference to 'title'"],
    ["request.size > 1", "undefined field 'size'"],
    ["'a' + 1", "found no matching overload for '_+_' applied to '(string, int)'"],
    ["nothing()", "undeclared reference to 'nothing'"],
    ["(".repeat(500), "recursion limit"],
  ])("%s is refused", (text, why) => {
    expect(checkCel(text, SCOPE)).toEqual({ complaint: expect.stringContaining(why) });
  });

  it("gives what is asked for", () => {
    expect(checkCel("request.name", SCOPE, ["bool"])).toEqual({
      complaint: "must evaluate to bool",
    });
    expect(checkCel("object.flag", SCOPE, ["bool"])).toEqual({ type: "dyn" });
  });
});
