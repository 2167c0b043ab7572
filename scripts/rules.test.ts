import { describe, expect, it } from "vitest";
import { DecodeError } from "../api/codec/decode-error.ts";
import { decodeJson } from "../api/codec/json.ts";
import { bodyOf } from "../api/errors.ts";
import type { KubeObject } from "../api/kind.ts";
import { kindOf, splitApiVersion } from "../api/kinds.ts";
import { readAnswers, sorted, type Answer } from "./rules/answers.ts";
import { cases, type Case } from "./rules/cases.ts";

/** The least share of cases, in percent, that agree in fields and reasons. */
const GOAL = 95;
const GOALS: Readonly<Record<string, number>> = { Pod: 98, Service: 98 };
/** Kinds whose texts are compared too. */
const WITH_TEXTS = new Set(["Pod", "Service", "Deployment", "PersistentVolumeClaim"]);

function ours({ apiVersion, kind: name, object }: Case): Answer {
  const { group, version } = splitApiVersion(apiVersion);
  const kind = kindOf(group, version, name)!;
  try {
    const decoded = decodeJson<KubeObject>(kind.schema, object).object;
    kind.strategy.defaults(decoded);
    kind.strategy.prepareCreate(decoded, { now_ms: 0 });
    const errors = kind.strategy.validateCreate(decoded, { now_ms: 0 });
    return { complaints: sorted(errors.map((each) => [each.type, each.field, bodyOf(each)])) };
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return { undecodable: true, complaints: [] };
  }
}

/** An answer as text, what is said twice once; without texts where only the rest is compared. */
function seen({ undecodable, complaints }: Answer, texts: boolean): string {
  if (undecodable === true) return "undecodable";
  const parts = complaints.map(([reason, field, text]) => [reason, field, texts ? text : ""]);
  return JSON.stringify([...new Set(parts.map((each) => each.join(" ")))].sort());
}

const answers = readAnswers();
const byKind = Map.groupBy(cases(), (each) => each.kind);

describe("rules agree with upstream's", () => {
  it("in cases that were all recorded", () => {
    expect(cases().filter((each) => answers[each.id] === undefined)).toEqual([]);
  });

  it.each([...byKind.keys()])("%s", (kind) => {
    const list = byKind.get(kind)!;
    const texts = WITH_TEXTS.has(kind);
    const differing = list.filter((each) =>
      seen(ours(each), texts) !== seen(answers[each.id]!, texts));
    const share = 100 * (1 - differing.length / list.length);
    const shown = differing.slice(0, 5).map((each) =>
      `${each.id}\n  ours: ${seen(ours(each), texts)}\n  upstream: ` +
      seen(answers[each.id]!, texts)).join("\n");
    expect(share, shown).toBeGreaterThanOrEqual(GOALS[kind] ?? GOAL);
  });
});
