import { readFileSync } from "node:fs";
import { join } from "node:path";
import { bodiesOf, bodyAt, bodyText } from "./cut.ts";
import type { Hint, Lab, Mutant } from "./manifest.ts";
import { ROOT_DIR } from "./paths.ts";

const source = (file: string) => readFileSync(join(ROOT_DIR, file), "utf8");

/** A body that a reader writes, with its file. */
export type Body = { readonly name: string; readonly file: string };

export function bodiesOfLab(lab: Lab): Body[] {
  return lab.files.flatMap((file) => {
    return bodiesOf(source(file), lab.number, file).map((name) => ({ name, file }));
  });
}

/** The reference of a body, without its signature; empty when the lab has no such body. */
export function referenceOf(lab: Lab, name: string): string {
  const texts = lab.files.map((file) => bodyText(source(file), lab.number, file, name));
  return texts.find((text) => text !== undefined) ?? "";
}

/** The hint for a body: of this name, else the first whose name has this in it. */
export function hintFor(hints: readonly Hint[], topic: string): Hint | undefined {
  return hints.find((hint) => hint.for === topic) ?? hints.find((hint) => hint.for.includes(topic));
}

/** The body that a planted mistake is in. */
function bodyOf(lab: Lab, { file, find }: Mutant): string | undefined {
  return bodyAt(source(file), lab.number, file, find);
}

/**
 * The hint for a check, by its title: that whose `judgedBy` is in it; else that of the body in
 * which most of the mistakes are that this check is said to catch.
 */
export function hintOfCheck(lab: Lab, title: string): Hint | undefined {
  const named = lab.hints.find(({ judgedBy }) => judgedBy?.some((part) => title.includes(part)));
  if (named) return named;
  const counts = new Map<Hint, number>();
  for (const mutant of lab.mutants) {
    const { caughtBy, shownBy } = mutant;
    if (!title.includes(caughtBy) && !(shownBy !== undefined && title.includes(shownBy))) continue;
    const body = bodyOf(lab, mutant);
    const hint = body === undefined ? undefined : hintFor(lab.hints, body);
    if (hint) counts.set(hint, (counts.get(hint) ?? 0) + 1);
  }
  return [...counts].sort(([, a], [, b]) => b - a)[0]?.[0];
}

/**
 * The bodies that a check judges first of all: of its hint's, where that has several, those with a
 * planted mistake that it catches.
 */
export function bodiesOfCheck(lab: Lab, title: string): string[] {
  const named: string[] = hintOfCheck(lab, title)?.for.match(/\w+/g) ?? [];
  const caught = lab.mutants.filter(({ caughtBy }) => title.includes(caughtBy));
  const bodies = caught.map((mutant) => bodyOf(lab, mutant));
  const judged = named.filter((name) => bodies.includes(name));
  return judged.length > 0 ? judged : named;
}
