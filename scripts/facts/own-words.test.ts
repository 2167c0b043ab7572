import { existsSync, readdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { describedPackages, readTexts } from "@raft2kube/openapi/descriptions.ts";
import { describe, expect, it } from "vitest";
import { PACKAGES, versionOf } from "./packages.ts";

const MODULES =
  process.env.GOMODCACHE ?? join(process.env.GOPATH ?? join(homedir(), "go"), "pkg/mod");

/** Shorter sentences have but one good wording, as "The name of the object." */
const WORDS_MIN = 7;

/** Letters and digits alone, so that marks and case make no difference. */
function words(text: string): string {
  return ` ${text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, " ")
    .trim()} `;
}

function sentences(text: string): string[] {
  return text
    .split(/[.;:]\s+|\.$/)
    .filter((each) => words(each).split(" ").length - 2 >= WORDS_MIN);
}

/** All comments of a Go package; undefined when the module is not there. */
function comments(module: string, path: string): string | undefined {
  const directory = join(MODULES, `${module}@${versionOf(module)}`, path);
  if (!existsSync(directory)) return undefined;
  return words(
    readdirSync(directory)
      .filter((each) => each.endsWith(".go"))
      .flatMap((file) => readFileSync(join(directory, file), "utf8").split("\n"))
      .flatMap((line) => /^\s*\/\/ ?(.*)$/.exec(line)?.[1] ?? [])
      .join("\n"),
  );
}

const upstream = PACKAGES.map(({ module, path }) => comments(module, path));

/** The sentences of a text that stand in upstream's comments too. */
function borrowed(text: string): string[] {
  return sentences(text).filter((each) => upstream.some((all) => all?.includes(words(each))));
}

describe.runIf(!upstream.includes(undefined))("descriptions beside upstream's comments", () => {
  it.each(describedPackages())("%s: no sentence is one of upstream's", (from) => {
    const same = [...readTexts(from)].flatMap(([name, { own, fields }]) =>
      [["", own ?? ""] as const, ...fields].flatMap(([field, text]) =>
        borrowed(text).map((each) => `${from}.${name}.${field}: ${each}`),
      ),
    );
    expect(same).toEqual([]);
  });

  it("would be found", () => {
    const theirs = upstream[0]!.split(" ").slice(100, 120).join(" ");
    expect(borrowed(`Our own words. ${theirs}. More of our own.`)).toEqual([theirs]);
  });
});
