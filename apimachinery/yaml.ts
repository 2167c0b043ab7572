import { readFile } from "node:fs/promises";
import { Slices } from "@raft2kube/std/slices.ts";
import { parse, stringify } from "yaml";

/** An object as YAML, without anchors for repeated values. */
export function yamlText(object: object): string {
  return stringify(object, { aliasDuplicateObjects: false });
}

/** Parses a YAML or JSON document of the configuration. Throws yaml's own error. */
export const yamlValue = (text: string): unknown => parse(text);

/**
 * Parses the documents of a YAML file of the product, which start after its first `---`, without
 * holding the event loop for long. A bundle has the values in place of a call with
 * `new URL("./NAME.yaml", import.meta.url)`: parsing the bootstrap policy takes 200 ms.
 */
export async function yamlDocuments(file: URL): Promise<unknown[]> {
  const values: unknown[] = [];
  const slices = new Slices();
  for (const document of (await readFile(file, "utf8")).split(/^---$/m).slice(1)) {
    values.push(parse(document));
    if (slices.due) await slices.pause();
  }
  return values;
}
