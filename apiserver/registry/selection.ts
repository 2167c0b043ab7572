import type { Kind } from "@raft2kube/api/kind.ts";
import {
  matchesFields,
  matchesLabels,
  parseFieldSelector,
  parseLabelSelector,
  SelectorError,
  valueIn,
} from "@raft2kube/api/selector.ts";
import type { Selection } from "../cache/selection.ts";
import { badRequest } from "../errors/catalog.ts";
import { prefixOf } from "../storage/keys.ts";

/** The objects that a request's selectors pick. Throws 400 on a selector that does not parse. */
export function selectionOf(
  kind: Kind,
  namespace: string,
  selectors: { labelSelector: string; fieldSelector: string },
): Selection {
  try {
    const labels = parseLabelSelector(selectors.labelSelector);
    const fields = parseFieldSelector(selectors.fieldSelector);
    for (const { field } of fields) {
      if (!Object.hasOwn(kind.selectableFields, field)) {
        throw badRequest(unknownField(kind, field));
      }
    }
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
  } catch (thrown) {
    if (thrown instanceof SelectorError) throw badRequest(thrown.message);
    throw thrown;
  }
}

/** Upstream says it in two ways: of kinds with fields of their own a conversion complains. */
function unknownField({ selectableFields }: Kind, field: string): string {
  const own = Object.keys(selectableFields).some((each) => !PLAIN_FIELDS.includes(each));
  if (own) return `field label not supported: ${field}`;
  const known = PLAIN_FIELDS.map((each) => JSON.stringify(each)).join(", ");
  return `${JSON.stringify(field)} is not a known field selector: only ${known}`;
}

const PLAIN_FIELDS: readonly string[] = ["metadata.name", "metadata.namespace"];
