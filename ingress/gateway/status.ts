import { isDeepStrictEqual } from "node:util";
import type { Condition, ObjectMeta } from "@raft2kube/api/gen/meta/v1.ts";
import { type Finding, finding, holds } from "./listeners.ts";
import type { PlannedGateway, PlannedParent } from "./plan.ts";
import { type Gateway, GROUP, type Route, type RouteParentStatus } from "./types.ts";

/** Writes findings as conditions; one whose status stays keeps its time. */
export function conditionsOf(
  findings: readonly Finding[],
  former: readonly Condition[],
  { generation = 1 }: ObjectMeta,
  now: string,
): Condition[] {
  return findings.map(({ type, isTrue, reason, message }): Condition => {
    const status = isTrue ? "True" : "False";
    const before = former.find((each) => each.type === type);
    const lastTransitionTime = before?.status === status ? before.lastTransitionTime : now;
    return { type, status, reason, message, observedGeneration: generation, lastTransitionTime };
  });
}

/** The status of a Gateway whose Service has these addresses. Pure. */
export function gatewayStatus(
  { gateway, listeners }: PlannedGateway,
  addresses: readonly string[],
  now: string,
): NonNullable<Gateway["status"]> {
  const { metadata, status: former } = gateway;
  const isAccepted = ({ findings }: PlannedGateway["listeners"][number]) =>
    findings.every(
      ({ type, isTrue }) => isTrue === (type !== "Conflicted") || type === "ResolvedRefs",
    );
  const someInvalid = listeners.some(({ findings }) =>
    findings.some(({ type, isTrue }) => type !== "Conflicted" && !isTrue),
  );
  const noneAccepted = !listeners.some(isAccepted);
  const accepted = noneAccepted
    ? finding("Accepted", "ListenersNotValid", "no listener is served")
    : finding("Accepted", someInvalid ? "ListenersNotValid" : "Accepted", "", true);
  const programmed =
    addresses.length === 0
      ? finding("Programmed", "AddressNotAssigned", "its Service has no address yet")
      : noneAccepted
        ? finding("Programmed", "Invalid")
        : holds("Programmed");
  return {
    addresses: addresses.map((value) => ({ type: "IPAddress", value })),
    conditions: conditionsOf([accepted, programmed], former?.conditions ?? [], metadata, now),
    listeners: listeners.map(({ listener, kinds, findings, attached }) => {
      const before = former?.listeners?.find(({ name }) => name === listener.name);
      return {
        name: listener.name,
        supportedKinds: kinds.map((kind) => ({ group: GROUP, kind })),
        attachedRoutes: attached,
        conditions: conditionsOf(findings, before?.conditions ?? [], metadata, now),
      };
    }),
  };
}

/** The status of a route: that of other controllers stays. Pure. */
export function routeStatus(
  route: Route,
  parents: readonly PlannedParent[],
  controllerName: string,
  now: string,
): NonNullable<Route["status"]> {
  const former = route.status?.parents ?? [];
  const others = former.filter((each) => each.controllerName !== controllerName);
  const own = parents.map(({ parent: parentRef, findings }): RouteParentStatus => {
    const before = former.find(
      (each) =>
        each.controllerName === controllerName && isDeepStrictEqual(each.parentRef, parentRef),
    );
    const all = ["Accepted", "ResolvedRefs"].map(
      (type) => findings.find((each) => each.type === type) ?? holds(type),
    );
    const conditions = conditionsOf(all, before?.conditions ?? [], route.metadata, now);
    return { parentRef, controllerName, conditions };
  });
  return { parents: [...others, ...own] };
}
