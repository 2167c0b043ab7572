/** The pieces that columns of many kinds are made of. */

import type { LabelSelector } from "./gen/meta/v1.ts";
import { humanDuration } from "./human-duration.ts";
import type { Cell, Column, KubeObject } from "./kind.ts";
import { formatLabelTerms, termsOf } from "./selector.ts";
import { millisOf } from "./time.ts";

/** kubectl's text for an empty value. */
export const NONE = "<none>";
export const UNKNOWN = "<unknown>";
export const UNSET = "<unset>";

interface ColumnOptions {
  readonly type?: Column["type"];
  readonly format?: string;
  readonly priority?: number;
  readonly description?: string;
}

/** A column from its title and how to read its cell. */
export function column<T extends KubeObject>(
  name: string,
  value: (object: T, now_ms: number) => Cell,
  options: ColumnOptions = {},
): Column<T> {
  const { type = "string", format = "", priority = 0 } = options;
  const description = options.description ?? `${name} of the object.`;
  return { name, type, format, priority, value, description };
}

/** A column that only `-o wide` shows. */
export const wide = <T extends KubeObject>(
  name: string,
  value: (object: T, now_ms: number) => Cell,
  options: ColumnOptions = {},
): Column<T> => column(name, value, { ...options, priority: 1 });

export const nameColumn: Column = column("Name", (object) => object.metadata.name ?? "", {
  format: "name",
  description: "The name, unique among objects of the kind in the namespace.",
});

export const ageColumn: Column = column(
  "Age",
  (object, now_ms) => age(object.metadata.creationTimestamp, now_ms),
  { description: "Time since creation." },
);

/** Time since a moment; `<unknown>` when it was never set. */
export function age(since: string | undefined, now_ms: number): string {
  const then_ms = millisOf(since);
  return then_ms === undefined ? UNKNOWN : humanDuration((now_ms - then_ms) / 1000);
}

/** A map as `a=1,b=2`, `<none>` when empty. */
export function mapCell(map: Readonly<Record<string, string>> | undefined): string {
  const entries = Object.entries(map ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  if (entries.length === 0) return NONE;
  return entries.map(([key, value]) => `${key}=${value}`).join(",");
}

/** A label selector as text, `<none>` when it selects by nothing. */
export function selectorCell(selector: LabelSelector | undefined): string {
  const terms = termsOf(selector);
  return terms === null || terms.length === 0 ? NONE : formatLabelTerms(terms);
}
