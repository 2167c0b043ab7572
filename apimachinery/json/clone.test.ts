import { expect, it } from "vitest";
import { cloneObject } from "./clone.ts";

it("copies all of an object, strange names too, and shares nothing with it", () => {
  const object = JSON.parse('{"a":[1,{"b":null}],"__proto__":{"c":true},"d":"x"}') as {
    a: [number, { b: unknown }];
  };
  const copy = cloneObject(object);
  expect(JSON.stringify(copy)).toBe(JSON.stringify(object));
  expect(Object.getPrototypeOf(copy)).toBe(Object.prototype);
  copy.a[1].b = "changed";
  expect(object.a[1].b).toBeNull();
});
