import type { ValidatingWebhook } from "@raft2kube/api/gen/admissionregistration/v1.ts";
import type { Kind } from "@raft2kube/api/kind.ts";
import type { Resources } from "../../resource/resources.ts";
import type { Attributes } from "../attributes.ts";
import { matchesRule } from "../matching/rules.ts";
import { matchesObject, type NamespaceSelectors } from "../matching/selectors.ts";
import { attributesIn, equivalentsOf } from "../matching/versions.ts";
import type { AdmissionRequest } from "../plugin.ts";
import type { Hook } from "./configurations.ts";

/** One call of a webhook: the version of the request that it is sent. */
export interface Invocation<T extends ValidatingWebhook = ValidatingWebhook> {
  readonly hook: Hook<T>;
  /** The request as the client made it, and in the version that the rules name. */
  readonly asked: Attributes;
  readonly matched: Attributes;
  /** The kind of `matched`. */
  readonly kind: Kind;
}

/** Finds the webhooks that are to be asked about requests. */
export class HookMatcher {
  readonly #resources: Resources;
  readonly #namespaces: NamespaceSelectors;

  constructor(resources: Resources, namespaces: NamespaceSelectors) {
    this.#resources = resources;
    this.#namespaces = namespaces;
  }

  /**
   * The call that a webhook wants of a request; undefined when it is not about it. Throws 404 when
   * the labels of a namespace are needed that is not there.
   */
  async match<T extends ValidatingWebhook>(
    hook: Hook<T>, request: AdmissionRequest, asked: Attributes,
  ): Promise<Invocation<T> | undefined> {
    const { objectSelector, namespaceSelector } = hook.webhook;
    const kind = this.#kindFor(hook.webhook, request, asked);
    if (kind === undefined || !matchesObject(objectSelector, request)) return undefined;
    if (!(await this.#namespaces.match(namespaceSelector, asked, request))) return undefined;
    const matched = kind === request.resource.kind ? asked : attributesIn(asked, kind);
    return { hook, asked, matched, kind };
  }

  /** The request's own kind, else the first equivalent one that a rule names. */
  #kindFor(
    { rules = [], matchPolicy }: ValidatingWebhook, { resource }: AdmissionRequest,
    asked: Attributes,
  ): Kind | undefined {
    if (rules.some((rule) => matchesRule(rule, asked))) return resource.kind;
    if (matchPolicy !== "Equivalent" || rules.length === 0) return undefined;
    const equivalents = equivalentsOf(this.#resources, resource.kind, asked.subresource);
    for (const rule of rules) {
      const found = equivalents.find((kind) => matchesRule(rule, attributesIn(asked, kind)));
      if (found) return found;
    }
    return undefined;
  }
}
