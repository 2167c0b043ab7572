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
        throw badRequest(`field label not supported: ${field}`);
      }
    }
    const everything = labels.length === 0 && fields.length === 0;
    const exactly = (field: string) =>
      fields.find((term) => term.field === field && term.operator === "=")?.value;
    const name = exactly("metadata.name") ?? "";
    const nodeName = exactly("spec.nodeName");
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
