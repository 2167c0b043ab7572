import { diffLines } from "diff";
import { stringify } from "yaml";
import type { AnyObject } from "./api.ts";

/** An object as a person edits it: without the fields' managers. */
export function yamlOf(object: AnyObject): string {
  const { managedFields: _, ...metadata } = object.metadata;
  return stringify({ ...object, metadata });
}

/** Lines that differ, each after `+` or `-`. */
export function changes(before: string, after: string): string[] {
  return diffLines(before, after).filter(({ added, removed }) => added || removed)
    .flatMap(({ value, added }) => value.trimEnd().split("\n")
      .map((line) => `${added ? "+" : "-"} ${line}`));
}
