import { expect, test } from "vitest";
import { NamespaceParts } from "./namespace-parts.ts";

const LIMITS = { each: 100, all: 800 };
const names = Array.from({ length: 9 }, (_, at) => `n${at}/many:p/TCP`);

test("namespaces that have their parts leave one to the control plane", () => {
  const parts = new NamespaceParts(LIMITS);
  expect(names.filter((name) => parts.count(name, LIMITS.each))).toEqual(names.slice(0, 7));
  expect(parts.count("shop/web:p/TCP", 1)).toBe(false);
  expect(parts.count("kube-system/dns:p/UDP", 1)).toBe(true);
  parts.count(names[0]!, undefined);
  expect(parts.count("shop/web:p/TCP", 1)).toBe(true);
});

test("a port that is larger than a namespace's part has none, also where it is the first", () => {
  const parts = new NamespaceParts(LIMITS);
  expect(parts.count(names[0]!, LIMITS.each + 1)).toBe(false);
  expect(parts.count("kube-system/dns:p/UDP", LIMITS.each + 1)).toBe(false);
  expect(parts.taken).toBe(0);
});

test("a port keeps its part, in a namespace or of all, while others want one", () => {
  const parts = new NamespaceParts(LIMITS);
  const [first, second] = ["ten/one:p/TCP", "ten/two:p/TCP"];
  expect([first, second].map((key) => parts.count(key!, 60))).toEqual([true, false]);
  for (const key of [...names.slice(0, 6), "default/web:p/TCP"]) parts.count(key, LIMITS.each);
  expect([first, names[0]].map((key) => parts.count(key!, 60))).toEqual([true, true]);
  expect(parts.taken).toBe(60 + 60 + 600);
});
