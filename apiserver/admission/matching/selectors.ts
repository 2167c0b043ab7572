import type { LabelSelector } from "@raft2kube/api/gen/meta/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { matchesSelector } from "@raft2kube/api/selector.ts";
import { notFound } from "@raft2kube/apimachinery/errors/catalog.ts";
import { type Attributes, isNamespace } from "../attributes.ts";
import type { AdmissionContext } from "../context.ts";
import type { AdmissionRequest } from "../plugin.ts";
import { namespaceLookup } from "./namespace.ts";

type Labels = Readonly<Record<string, string>>;

const isEmpty = ({ matchLabels = {}, matchExpressions = [] }: LabelSelector): boolean =>
  Object.keys(matchLabels).length === 0 && matchExpressions.length === 0;

/** Matches the namespaces of requests. */
export class NamespaceSelectors {
  readonly #find: ReturnType<typeof namespaceLookup>;

  constructor(context: Pick<AdmissionContext, "resources">) {
    this.#find = namespaceLookup(context);
  }

  /**
   * Whether the namespace of a request has the labels; one that is in none always has. Throws 404
   * for a namespace that is not there.
   */
  async match(
    selector: LabelSelector = {},
    { resource, namespace, subresource, operation }: Attributes,
    { object }: AdmissionRequest,
  ): Promise<boolean> {
    const isItself = isNamespace(resource.group, resource.resource);
    if (isEmpty(selector) || (namespace === "" && !isItself)) return true;
    const isWritten = operation === "CREATE" || operation === "UPDATE";
    const labels =
      isItself && subresource === "" && isWritten
        ? object?.metadata.labels
        : await this.#labelsOf(namespace);
    return matchesSelector(selector, labels ?? {});
  }

  /** The namespace of a request, for expressions; undefined for one that is in none. */
  async namespaceOf({ namespace }: Attributes): Promise<Readonly<KubeObject> | undefined> {
    return namespace === "" ? undefined : await this.#find(namespace);
  }

  async #labelsOf(name: string): Promise<Labels | undefined> {
    const found = await this.#find(name);
    if (found === undefined) throw notFound({ group: "", name: "namespaces" }, name);
    return found.metadata.labels;
  }
}

/** Whether the object of a request, new or old, has the labels. Options have no labels. */
export function matchesObject(
  selector: LabelSelector = {},
  { object, old }: AdmissionRequest,
): boolean {
  if (isEmpty(selector)) return true;
  return [object, old].some((each) => {
    const metadata: KubeObject["metadata"] | undefined = each?.metadata;
    return metadata !== undefined && matchesSelector(selector, metadata.labels ?? {});
  });
}
