import type { Kind } from "@raft2kube/api/kind.ts";
import {
  matchesFields,
  matchesLabels,
  parseFieldSelector,
  parseLabelSelector,
  SelectorError,
} from "@raft2kube/api/selector.ts";
import type { Selection } from "../cache/selection.ts";
import { badRequest } from "../errors/catalog.ts";

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
        throw badRequest(`field label not supported: ${field}`);
      }
    }
    const everything = labels.length === 0 && fields.length === 0;
    return {
      namespace,
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
