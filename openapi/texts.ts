/** The form of `texts/*.md`: a document for people that the apiserver reads too. */
import { assert } from "@raft2kube/std/assert.ts";

export interface StructureTexts {
  /** The structure whose texts serve for fields without their own: `meta/v1.Condition`. */
  readonly like?: string;
  /** The text of the structure itself. */
  readonly own?: string;
  readonly fields: ReadonlyMap<string, string>;
}

const HEADING = /^## (\w+)(?: \(like ([\w/.]+)\))?$/;
const FIELD = /^- ([\w$-]+): (.+)$/;

/**
 * The texts of one file, by the structure's name. `## Structure` is followed by a paragraph on it
 * and `- field: text` for each field; `## Structure (like Other)` takes missing texts from another
 * one. Text before the first heading is for people only.
 * @throws AssertionError at a block that is none of these, and at a duplicate.
 */
export function parseTexts(file: string, from: string): Map<string, StructureTexts> {
  const found = new Map<string, StructureTexts>();
  let name = "";
  let fields = new Map<string, string>();
  for (const block of blocksOf(file)) {
    const [, heading, like] = HEADING.exec(block) ?? [];
    const [, field, text] = FIELD.exec(block) ?? [];
    if (heading !== undefined) {
      assert(!found.has(heading), `${from}.${heading} is described twice`);
      [name, fields] = [heading, new Map()];
      const whole = like?.includes(".") === false ? `${from}.${like}` : like;
      found.set(name, { fields, ...(whole === undefined ? {} : { like: whole }) });
    } else if (field !== undefined) {
      assert(!fields.has(field), `${from}.${name}.${field} is described twice`);
      fields.set(field, text!);
    } else if (name !== "") {
      const texts = found.get(name)!;
      assert(!/^[-#]/.test(block), `${from}.${name} has a line of no known form: ${block}`);
      assert(texts.own === undefined, `${from}.${name} has two paragraphs: ${block}`);
      found.set(name, { ...texts, own: block });
    }
  }
  return found;
}

/** Headings, list items and paragraphs, each as one line. */
function blocksOf(file: string): string[] {
  return file
    .split(/\n\n+|\n(?=[-#] ?)/)
    .map((block) =>
      block
        .trim()
        .split("\n")
        .map((line) => line.trim())
        .join(" "),
    )
    .filter((block) => block !== "");
}
