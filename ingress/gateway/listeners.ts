import type { Secret } from "@raft2kube/api/gen/core/v1.ts";
import { LABEL_OPERATORS } from "@raft2kube/api/selector.ts";
import { own } from "@raft2kube/std/own.ts";
import { readPair } from "../plan/certificates.ts";
import type { Pair } from "../plan/model.ts";
import type { Grants } from "./grants.ts";
import { type Gateway, GROUP, type Listener } from "./types.ts";

/** A condition before it has a time: what is not true has a reason. */
export interface Finding {
  readonly type: string;
  readonly isTrue: boolean;
  readonly reason: string;
  readonly message: string;
}

export interface PlannedListener {
  readonly listener: Listener;
  readonly kinds: readonly string[];
  readonly pair: Pair | undefined;
  readonly findings: readonly Finding[];
  /** Whether routes are served by it. */
  readonly isProgrammed: boolean;
}

export interface ListenerInput {
  readonly grants: Grants;
  secret(key: string): Secret | undefined;
}

const ROUTE_KINDS = ["HTTPRoute", "GRPCRoute"];

export const finding = (type: string, reason: string, message = "", isTrue = false): Finding => ({
  type,
  isTrue,
  reason,
  message,
});

/** The first finding of each type, which is the one that a condition shows. */
export const firstOfType = (findings: readonly Finding[]): Finding[] =>
  findings.filter(({ type }, at) => findings.findIndex((each) => each.type === type) === at);

export const holds = (type: string): Finding => finding(type, type, "", true);

/** Plans a Gateway's listeners: of two with one port and host neither is served. Pure. */
export function planListeners(gateway: Gateway, input: ListenerInput): PlannedListener[] {
  const { listeners } = gateway.spec;
  return listeners.map((listener): PlannedListener => {
    const unusable = unusableSelector(listener);
    const { kinds, invalid } = unusable ? { kinds: [], invalid: false } : kindsOf(listener);
    const certificate = certificateOf(gateway, listener, input);
    const isSupported = ["HTTP", "HTTPS"].includes(listener.protocol);
    const conflict = conflictOf(listener, listeners);
    const unresolved = invalid
      ? finding("ResolvedRefs", "InvalidRouteKinds", "a kind is not served")
      : certificate.problem;
    const isProgrammed = isSupported && !conflict && !certificate.problem && kinds.length > 0;
    return {
      listener,
      kinds,
      isProgrammed,
      pair: certificate.pair,
      findings: [
        isSupported
          ? (unusable ?? holds("Accepted"))
          : finding("Accepted", "UnsupportedProtocol", `${listener.protocol} is not served`),
        unresolved ?? holds("ResolvedRefs"),
        isProgrammed ? holds("Programmed") : finding("Programmed", "Invalid"),
        conflict
          ? finding("Conflicted", conflict, "another listener has its port and host", true)
          : finding("Conflicted", "NoConflicts"),
      ],
    };
  });
}

/** Finds what is wrong with a listener's selector: the API's schema leaves its operators open. */
function unusableSelector({ allowedRoutes }: Listener): Finding | undefined {
  const { matchExpressions = [] } = allowedRoutes?.namespaces?.selector ?? {};
  if (matchExpressions.every(({ operator }) => own(LABEL_OPERATORS, operator))) return undefined;
  const operators = Object.keys(LABEL_OPERATORS).join(", ");
  return finding("Accepted", "Invalid", `an operator of its selector is none of ${operators}`);
}

function kindsOf({ allowedRoutes }: Listener): { kinds: string[]; invalid: boolean } {
  const asked = allowedRoutes?.kinds ?? [];
  if (asked.length === 0) return { kinds: [...ROUTE_KINDS], invalid: false };
  const kinds = asked
    .filter(({ group = GROUP, kind }) => group === GROUP && ROUTE_KINDS.includes(kind))
    .map(({ kind }) => kind);
  return { kinds, invalid: kinds.length < asked.length };
}

function conflictOf(listener: Listener, all: readonly Listener[]): string | undefined {
  const others = all.filter((each) => each !== listener && each.port === listener.port);
  if (others.some(({ protocol }) => protocol !== listener.protocol)) return "ProtocolConflict";
  const same = others.some(({ hostname = "" }) => hostname === (listener.hostname ?? ""));
  return same ? "HostnameConflict" : undefined;
}

function certificateOf(
  gateway: Gateway,
  { protocol, tls }: Listener,
  { grants, secret }: ListenerInput,
): { pair?: Pair; problem?: Finding } {
  if (protocol !== "HTTPS") return {};
  const refuse = (reason: string, message: string) => ({
    problem: finding("ResolvedRefs", reason, message),
  });
  if (tls?.mode === "Passthrough") return refuse("InvalidCertificateRef", "mode is not served");
  const [reference] = tls?.certificateRefs ?? [];
  if (!reference) return refuse("InvalidCertificateRef", "it has no certificateRefs");
  const { group = "", kind = "Secret", name } = reference;
  if (group !== "" || kind !== "Secret") {
    return refuse("InvalidCertificateRef", "it is not a Secret");
  }
  const own = gateway.metadata.namespace ?? "";
  const { namespace = own } = reference;
  const from = { kind: "Gateway", namespace: own };
  if (!grants.allow(from, { ...reference, kind, group, namespace })) {
    return refuse("RefNotPermitted", "no ReferenceGrant allows the Secret");
  }
  const pair = readPair(secret(`${namespace}/${name}`));
  if ("problem" in pair) return refuse("InvalidCertificateRef", pair.problem);
  return { pair };
}
