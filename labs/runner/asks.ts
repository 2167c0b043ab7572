import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Body, bodiesOfCheck, bodiesOfLab } from "./bodies.ts";
import { checkTitles } from "./check.ts";
import { signatureOf } from "./cut.ts";
import { LabError } from "./lab-error.ts";
import type { Lab } from "./manifest.ts";
import { ROOT_DIR } from "./paths.ts";

/** A body, with the requirements that the checks have for it. */
export interface Ask extends Body {
  /** The comment and the signature. */
  readonly signature: string;
  /** Titles of the checks that judge it first of all. */
  readonly checks: readonly string[];
}

/** Returns the requirements for each body of a lab, or for those with `topic` in their name. */
export async function asksOf(lab: Lab, topic = ""): Promise<Ask[]> {
  const titles = await checkTitles(lab);
  const asks = bodiesOfLab(lab)
    .filter(({ name }) => name.includes(topic))
    .map((body) => ({
      ...body,
      signature: signatureOf(readFileSync(join(ROOT_DIR, body.file), "utf8"), body.name) ?? "",
      checks: titles.filter((title) => bodiesOfCheck(lab, title).includes(body.name)),
    }));
  if (asks.length > 0) return asks;
  const names = bodiesOfLab(lab).map(({ name }) => name);
  throw new LabError("NO_BODY", `lab ${lab.number} has no body "${topic}"`, {
    remedy: `one of ${names.join(", ")}`,
  });
}

export function describeAsk({ name, file, signature, checks }: Ask): string {
  const judged = checks.length > 0 ? checks : ["judged together with the bodies around it"];
  const lines = signature.split("\n").map((line) => `    ${line}`);
  return [`${name}  (${file})`, ...lines, ...judged.map((title) => `  - ${title}`)].join("\n");
}
