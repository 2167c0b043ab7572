import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { namesOf } from "./choice.ts";
import { readRecord } from "./record.ts";

const NAMES = [...readRecord().keys()];
const LAB = join(import.meta.dirname, "../../labs/22-assemble/conformance.txt");

test("a test's whole name chooses that one: those of lab 22 are all upstream's", () => {
  const wanted = readFileSync(LAB, "utf8").trim().split("\n");
  expect([...namesOf(NAMES, wanted)].sort()).toEqual(wanted.sort());
});

test("a part of names chooses those, in brackets too; another text is a pattern", () => {
  const names = ["[sig-api-machinery] one", "[sig-apps] two", "[sig-apps] three"];
  expect([...namesOf(names, ["[sig-api-machinery] o"])]).toEqual([names[0]]);
  expect([...namesOf(names, ["t(wo|hree)$"])]).toEqual(names.slice(1));
  expect([...namesOf(names, ["four"])]).toEqual([]);
});

test("a text that is neither is refused by name", () => {
  expect(() => namesOf(["[sig-apps] one"], ["[z-a]"])).toThrow('"[z-a]" is in no test\'s name');
});
