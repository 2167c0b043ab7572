import { expect, it } from "vitest";
import { mergedJson } from "./merged-json.ts";

it.each([
  [`{"a":{"x":1,"y":[1]},"b":2,"a":{"y":[2,3],"z":null}}`,
    { a: { x: 1, y: [2, 3], z: null }, b: 2 }],
  [` { "a" : { } , "a" : { "a" : { "b" : 1 } } , "a" : { "a" : { "c" : 2 } } } `,
    { a: { a: { b: 1, c: 2 } } }],
  [`{"a":{"x":1},"a":"text","a":{"y":2}}`, { a: { y: 2 } }],
  [String.raw`[{"a":1,"a":2},"\\"]`, [{ a: 2 }, "\\"]],
  [String.raw`{"k\"}":"a\\","k\"}":-1.5e3}`, { 'k"}': -1500 }],
  ["[]", []],
  ["null", null],
])("%s", (text, value) => {
  expect(mergedJson(text)).toEqual(value);
});

it("a name that JavaScript knows is a name like others", () => {
  const value = mergedJson('{"__proto__":{"a":1},"__proto__":{"b":2}}') as object;
  expect(Object.keys(value)).toEqual(["__proto__"]);
  expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  expect((value as { a?: number }).a).toBeUndefined();
});
