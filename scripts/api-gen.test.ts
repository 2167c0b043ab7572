import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { factsOf } from "../api/facts.ts";
import { interfacesText } from "./api-gen/interfaces.ts";
import { factsText } from "./facts/format.ts";
import { PACKAGES } from "./facts/packages.ts";

const API = join(import.meta.dirname, "../api");

describe.each(PACKAGES)("$name", ({ name }) => {
  it("has interfaces that are what its facts give", () => {
    const committed = readFileSync(join(API, "gen", `${name}.ts`), "utf8");
    expect(interfacesText(factsOf(name))).toBe(committed);
  });

  it("has facts in the order and form that the script writes", () => {
    const committed = readFileSync(join(API, "facts", `${name.replace("/", ".")}.json`), "utf8");
    expect(factsText(factsOf(name))).toBe(committed);
  });
});
