import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { hashOf, type Source } from "./source.ts";

test.each([
  ["the context", false],
  ["a stage", true],
])("a link that is copied from %s counts as the content it leads to", async (_, keepsOwners) => {
  const root = testFolder("r2k-source-");
  const at = (name: string) => path.join(root, name);
  mkdirSync(at("lib"));
  // An absolute link is one of the source's root.
  symlinkSync("/lib/real", at("link"));
  symlinkSync("real", at("lib/near"));
  const source: Source = { root, isIgnored: () => false, leavesOut: false, keepsOwners };
  const hashes = async (content: string) => {
    writeFileSync(at("lib/real"), content);
    return Promise.all([["link"], ["lib/near"], ["lib"]].map((places) => hashOf(source, places)));
  };
  const first = await hashes("one");
  const second = await hashes("two");
  for (const [index, hash] of second.entries()) expect(hash).not.toBe(first[index]);
  expect(await hashes("one")).toEqual(first);
});
