import { describe, expect, it } from "vitest";
import { DecodeError } from "../api/codec/decode-error.ts";
import { decodeJson } from "../api/codec/json.ts";
import { bodyOf, type FieldError } from "../api/errors.ts";
import type { Kind, KubeObject } from "../api/kind.ts";
import { kindOf } from "../api/kinds.ts";
import { parseApiVersion } from "../apimachinery/group-version.ts";
import { type Answer, readAnswers, sorted } from "./rules/answers.ts";
import { type Case, cases } from "./rules/cases.ts";

const CONTEXT = { now_ms: 0 };
/** The least share of cases, in percent, that agree in fields and reasons. */
const GOAL = 95;
const GOALS: Readonly<Record<string, number>> = {
  Pod: 98,
  Service: 98,
  /** Upstream keeps allocated addresses in the server, before these rules; we keep them in them. */
  "Service, updates": 90,
};
/** Kinds whose texts are compared too. */
const WITH_TEXTS = new Set(["Pod", "Service", "Deployment", "PersistentVolumeClaim"]);

function read(kind: Kind, object: unknown): KubeObject {
  const decoded = decodeJson<KubeObject>(kind.schema, object).object;
  kind.strategy.defaults(decoded);
  return decoded;
}

function complain(kind: Kind, { object, old }: Case): FieldError[] {
  const { strategy } = kind;
  const next = read(kind, object);
  if (old === undefined) {
    strategy.prepareCreate(next, CONTEXT);
    return strategy.validateCreate(next, CONTEXT);
  }
  const before = read(kind, old);
  strategy.prepareCreate(before, CONTEXT);
  const { generation } = before.metadata;
  if (generation !== undefined) next.metadata.generation = generation;
  strategy.prepareUpdate(next, before, CONTEXT);
  return strategy.validateUpdate(next, before, CONTEXT);
}

function ours(each: Case): Answer {
  const { group, version } = parseApiVersion(each.apiVersion)!;
  try {
    const errors = complain(kindOf(group, version, each.kind)!, each);
    return {
      complaints: sorted(
        errors.map((one) => [one.type, one.field, bodyOf(one).split("\n")[0] ?? ""]),
      ),
    };
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return { undecodable: true, complaints: [] };
  }
}

/** An answer as text, without duplicates; without texts where only the rest is compared. */
function seen({ undecodable, complaints }: Answer, texts: boolean): string {
  if (undecodable === true) return "undecodable";
  const parts = complaints.map(([reason, field, text]) => [reason, field, texts ? text : ""]);
  return JSON.stringify([...new Set(parts.map((each) => each.join(" ")))].sort());
}

const answers = readAnswers();
const all = cases();
const groups = Map.groupBy(all, (each) =>
  each.old === undefined ? each.kind : `${each.kind}, updates`,
);

describe("rules agree with upstream's", () => {
  it("in cases that were all recorded", () => {
    expect(all.filter((each) => answers[each.id] === undefined)).toEqual([]);
  });

  it.each([...groups.keys()])("%s", (group) => {
    const list = groups.get(group)!;
    const texts = WITH_TEXTS.has(list[0]!.kind);
    const differing = list.filter(
      (each) => seen(ours(each), texts) !== seen(answers[each.id]!, texts),
    );
    const share = 100 * (1 - differing.length / list.length);
    const shown = differing
      .slice(0, 5)
      .map(
        (each) =>
          `${each.id}\n  ours: ${seen(ours(each), texts)}\n  upstream: ` +
          seen(answers[each.id]!, texts),
      )
      .join("\n");
    expect(share, shown).toBeGreaterThanOrEqual(GOALS[group] ?? GOAL);
  });
});
