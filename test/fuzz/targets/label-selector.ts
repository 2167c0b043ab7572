import {
  formatLabelTerms,
  type LabelTerms,
  matchesLabels,
  parseLabelSelector,
  SelectorError,
} from "@raft2kube/api/selector.ts";
import { labelValue, qualifiedName } from "@raft2kube/api/validation/names.ts";
import { pick, randomInteger } from "@raft2kube/std/random.ts";
import type { Target } from "../target.ts";

const SELECTORS = [
  "app=web,tier!=db,!old,example.com/new",
  "a in (b, c,), d notin (e),f in ()",
  "n>3,m<5, in in (notin),x==",
];
const TOKENS = [
  ..."(),!=<>",
  " ",
  "\u00a0",
  "==",
  " in ",
  " notin ",
  "a",
  "b/c",
  "__proto__",
  "-1",
];
const LABELS: readonly Record<string, string>[] = [
  {},
  { app: "web", tier: "web", "example.com/new": "" },
  { a: "", d: "f", f: "", n: "4", m: "-6", in: "notin", x: "" },
];

/** A `labelSelector` parameter. */
export const labelSelector: Target = {
  name: "label-selector",
  corpus: async () => SELECTORS.map((text) => Buffer.from(text)),
  seal(_bytes, random) {
    const texts = Array.from({ length: randomInteger(random, 1, 12) }, () => pick(random, TOKENS));
    return Buffer.from(texts.join(""));
  },
  async read(bytes) {
    try {
      const terms = parseLabelSelector(bytes.toString());
      for (const { key, values } of terms) {
        const complaints = [...qualifiedName(key), ...values.flatMap(labelValue)];
        if (complaints.length > 0) throw new Error(`no label: ${complaints.join()}`);
      }
      checkText(terms);
      return "taken";
    } catch (thrown) {
      if (thrown instanceof SelectorError) return "refused";
      throw thrown;
    }
  },
};

/** The text of a selector, which scale's status has, selects the same. */
function checkText(terms: LabelTerms): void {
  const text = formatLabelTerms(terms);
  let again: LabelTerms;
  try {
    again = parseLabelSelector(text);
  } catch (thrown) {
    throw new Error(`${text} is no selector`, { cause: thrown });
  }
  for (const labels of LABELS) {
    if (matchesLabels(terms, labels) !== matchesLabels(again, labels)) {
      throw new Error(`${text} selects others than it was read from`);
    }
  }
}
