/**
 * Reads the short objects of `rules/`, each with one thing wrong that no change of a single leaf
 * finds: rules about two fields, about sets of values, and about updates.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { parse } from "yaml";
import type { Case } from "./cases.ts";

/** One request: the creation of an object, or its update where `old` is stored before. */
export interface Rule {
  readonly what: string;
  readonly object: KubeObject;
  readonly old?: KubeObject;
  readonly subresource?: string;
}

const FOLDER = join(import.meta.dirname, "rules");

/** All rules, with a name of its own for each object that is stored. */
export const readRules = (): Rule[] => readdirSync(FOLDER).sort().flatMap(readFile);

function readFile(file: string): Rule[] {
  const rules = parse(readFileSync(join(FOLDER, file), "utf8")) as Rule[];
  return rules.map((rule, index) => {
    if (rule.old === undefined) return rule;
    const name = `${file.split(".")[0]}-${index}`;
    return { ...rule, old: named(rule.old, name), object: named(rule.object, name) };
  });
}

function named(object: KubeObject, name: string): KubeObject {
  return { ...object, metadata: { ...object.metadata, name } };
}

/** The request of one rule about objects of a schema. */
export function caseOf({ what, object, old, subresource }: Rule, schema: string): Case {
  const id = `${schema} rule: ${what}`;
  if (old === undefined) return { id, method: "POST", path: "?dryRun=All", body: () => object };
  const { name, resourceVersion: _version, ...metadata } = object.metadata;
  const place = subresource === undefined ? name : `${name}/${subresource}`;
  return {
    id,
    method: "PUT",
    path: `/${place}?dryRun=All`,
    body: (stored) => ({ ...object, metadata: { ...stored.metadata, ...metadata } }),
  };
}
