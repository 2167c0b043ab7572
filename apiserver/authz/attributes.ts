import type { RequestUser } from "@raft2kube/api/kind.ts";
import {
  type FieldTerm,
  type LabelTerms,
  parseFieldSelector,
  parseLabelSelector,
  understood,
} from "@raft2kube/api/selector.ts";
import type { Owner } from "@raft2kube/std/shares.ts";
import type { RequestInfo } from "../request/request-info.ts";

/** The attributes of a request to authorize (upstream's authorizer.Attributes). */
export interface Attributes extends Omit<RequestInfo, "rest"> {
  user: RequestUser;
  /** The selectors of a list or watch, for rules that allow only a part of a collection. */
  fieldSelector: readonly FieldTerm[];
  labelSelector: LabelTerms;
  /** The owner of a question about another user, whom this one may have made up. */
  asker?: Owner;
}

const NOTHING: Omit<Attributes, "user" | "verb"> = {
  ...{ resourceRequest: true, group: "", version: "v1", resource: "", subresource: "" },
  ...{ namespace: "", name: "", path: "", fieldSelector: [], labelSelector: [] },
};

/** The attributes of an authorization request for a resource; omitted ones are empty. */
export const aboutResource = (
  asked: Pick<Attributes, "user" | "verb"> & Partial<Attributes>,
): Attributes => ({ ...NOTHING, ...asked });

/** The selectors of a request; one that cannot be read is left out, which asks for more. */
export const selectorsIn = (texts: { fieldSelector?: string; labelSelector?: string }) => ({
  fieldSelector: understood(parseFieldSelector, texts.fieldSelector ?? "") ?? [],
  labelSelector: understood(parseLabelSelector, texts.labelSelector ?? "") ?? [],
});

/** `allow` and `deny` end the chain; with no opinion the next authorizer is asked. */
export interface Decision {
  readonly verdict: "allow" | "deny" | "no-opinion";
  readonly reason: string;
  /** Why an authorizer could not decide. */
  readonly error?: string;
}

export type Decide = (attributes: Attributes) => Promise<Decision> | Decision;

export interface AuthorizerPlugin {
  readonly type: "Node" | "RBAC" | "AlwaysAllow" | "AlwaysDeny" | "Webhook";
  /** Distinguishes it from others in metrics. */
  readonly name: string;
  close?(): void;
  readonly decide: Decide;
}

export const NO_OPINION: Decision = { verdict: "no-opinion", reason: "" };
