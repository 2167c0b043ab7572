import { isBuiltIn, type Kind } from "@raft2kube/api/kind.ts";
import {
  type FieldTerm,
  matchesFields,
  matchesLabels,
  parseFieldSelector,
  parseLabelSelector,
  SelectorError,
  valueIn,
} from "@raft2kube/api/selector.ts";
import { badRequest } from "@raft2kube/apimachinery/errors/catalog.ts";
import { apiVersionOf } from "@raft2kube/apimachinery/group-version.ts";
import type { Selection } from "../cache/selection.ts";
import { REQUEST_SELECTOR_CHARS_MAX, REQUEST_SELECTOR_TERMS_MAX } from "../limits.ts";
import { prefixOf } from "../storage/keys.ts";

type Selectors = { readonly labelSelector: string; readonly fieldSelector: string };

/** The objects that a request's selectors pick. Throws 400 on a selector that does not parse. */
export function selectionOf(kind: Kind, namespace: string, selectors: Selectors): Selection {
  const { labels, fields } = readSelectors(selectors);
  checkFields(kind, fields);
  const everything = labels.length === 0 && fields.length === 0;
  const name = valueIn(fields, "metadata.name") ?? "";
  const nodeName = valueIn(fields, "spec.nodeName");
  const whole = prefixOf(kind, namespace);
  return {
    id: JSON.stringify([namespace, selectors.labelSelector, selectors.fieldSelector]),
    namespace,
    prefix: kind.namespaced && namespace === "" ? whole : whole + name,
    ...(name === "" ? {} : { name }),
    ...(nodeName === undefined ? {} : { nodeName }),
    matches: (entry) =>
      everything ||
      (matchesLabels(labels, entry.labels) &&
        matchesFields(fields, (field) => entry.fields[field] ?? "")),
  };
}

/** The terms of both selectors. Throws 400 on an invalid one. */
export function readSelectors({ labelSelector, fieldSelector }: Selectors) {
  try {
    return {
      labels: bounded("label", labelSelector, parseLabelSelector),
      fields: bounded("field", fieldSelector, parseFieldSelector),
    };
  } catch (thrown) {
    if (thrown instanceof SelectorError) throw badRequest(thrown.message);
    throw thrown;
  }
}

function bounded<T>(which: string, text: string, parse: (text: string) => readonly T[]) {
  const terms = text.length > REQUEST_SELECTOR_CHARS_MAX ? [] : parse(text);
  if (text.length <= REQUEST_SELECTOR_CHARS_MAX && terms.length <= REQUEST_SELECTOR_TERMS_MAX) {
    return terms;
  }
  throw new SelectorError(
    `the ${which} selector has more than ${REQUEST_SELECTOR_TERMS_MAX} terms or ` +
      `${REQUEST_SELECTOR_CHARS_MAX} characters: ask several times, with a part of it each`,
  );
}

/** Throws 400 on a field that the kind has no field selector for. */
export function checkFields(kind: Kind, fields: readonly FieldTerm[]): void {
  const stranger = fields.find(({ field }) => !Object.hasOwn(kind.selectableFields, field));
  if (stranger !== undefined) throw badRequest(unknownField(kind, stranger.field));
}

/**
 * Upstream says it in several ways: of kinds with fields of their own a conversion complains, in
 * words of its own for two of them.
 */
function unknownField(kind: Kind, field: string): string {
  const { group, plural, selectableFields } = kind;
  if (group === "batch" && plural === "jobs") {
    return `field label ${JSON.stringify(field)} not supported for Job`;
  }
  if (plural === "resourceslices") {
    return `field label not supported for ${apiVersionOf(kind)}, Kind=${kind.kind}: ${field}`;
  }
  const own = Object.keys(selectableFields).some((each) => !PLAIN_FIELDS.includes(each));
  if (own || !isBuiltIn(kind)) return `field label not supported: ${field}`;
  const known = PLAIN_FIELDS.map((each) => JSON.stringify(each)).join(", ");
  return `${JSON.stringify(field)} is not a known field selector: only ${known}`;
}

const PLAIN_FIELDS: readonly string[] = ["metadata.name", "metadata.namespace"];
