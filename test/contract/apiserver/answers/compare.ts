import type { Subject } from "./cases.ts";
import { type Golden, goldenOf } from "./golden.ts";
import type { Answer } from "./judge.ts";

/** How often we answer one kind's cases as upstream does. */
export interface Share {
  readonly schema: string;
  readonly asked: number;
  /** Cases that both accept, or refuse with the same code, reason and causes; percent. */
  readonly answers_percent: number;
  /**
   * Share of cases with the same object (defaults, strategy) among those that both accept, in
   * percent.
   */
  readonly objects_percent: number;
}

/** One case that is answered otherwise. */
export interface Difference {
  readonly id: string;
  readonly schema: string;
  /** Both accept; what would be stored differs. */
  readonly objectOnly: boolean;
  readonly ours: Answer | undefined;
  readonly upstream: Golden | undefined;
}

/** Every case that we answer otherwise than upstream, which answered it. */
export function differences(
  subjects: readonly Subject[],
  ours: ReadonlyMap<string, Answer>,
  upstream: ReadonlyMap<string, Golden>,
): Difference[] {
  return casesOf(subjects).flatMap(({ id, schema }): Difference[] => {
    const [own, theirs] = [ours.get(id), upstream.get(id)];
    if (theirs?.code === 0) return [];
    if (own !== undefined && theirs !== undefined) {
      const { object: ownObject, ...ownRest } = goldenOf(own);
      const { object, ...rest } = theirs;
      if (JSON.stringify(ownRest) === JSON.stringify(rest)) {
        return ownObject === object
          ? []
          : [{ id, schema, objectOnly: true, ours: own, upstream: theirs }];
      }
    }
    return [{ id, schema, objectOnly: false, ours: own, upstream: theirs }];
  });
}

/** Each kind's shares, by the kinds' names. */
export function shares(
  subjects: readonly Subject[],
  differing: readonly Difference[],
  upstream: ReadonlyMap<string, Golden>,
): Share[] {
  const kinds = Map.groupBy(casesOf(subjects), (each) => each.schema);
  return [...kinds]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([schema, cases]) => {
      const own = differing.filter((each) => each.schema === schema);
      const wrong = own.filter((each) => !each.objectOnly);
      const refused = new Set(wrong.map((each) => each.id));
      const accepted = cases.filter(
        ({ id }) => upstream.get(id)?.object !== undefined && !refused.has(id),
      ).length;
      return {
        schema,
        asked: cases.length,
        answers_percent: percent(cases.length - wrong.length, cases.length),
        objects_percent: percent(accepted - (own.length - wrong.length), accepted),
      };
    });
}

function casesOf(subjects: readonly Subject[]): { id: string; schema: string }[] {
  return subjects.flatMap(({ schema, creates, updates }) =>
    [...creates, ...updates].map(({ id }) => ({ id, schema })),
  );
}

/** Rounded down to a tenth, so that 100 means all. */
function percent(part: number, whole: number): number {
  return whole === 0 ? 100 : Math.floor((1000 * part) / whole) / 10;
}
