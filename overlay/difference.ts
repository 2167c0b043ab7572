import type { FdbEntry } from "@raft2kube/linux/netlink/fdb.ts";
import type { Neighbour } from "@raft2kube/linux/netlink/neighbour.ts";
import type { Route } from "@raft2kube/linux/netlink/route.ts";
import type { MacOf, OverlayPlan } from "./plan.ts";

/** The kernel's links, routes and entries that could be ours. */
export interface Actual {
  /** Index of our VXLAN link or tunnel; undefined without one. */
  readonly device: number | undefined;
  readonly underlay: number;
  readonly routes: readonly Route[];
  readonly neighbours: readonly Neighbour[];
  readonly forwarding: readonly FdbEntry[];
}

/** One change of the kernel's tables. */
export type Change =
  | { readonly kind: "set-route" | "delete-route"; readonly route: Route }
  | { readonly kind: "set-neighbour" | "delete-neighbour"; readonly entry: MacOf }
  | { readonly kind: "set-forwarding" | "delete-forwarding"; readonly entry: MacOf };

/** `rtm_protocol` of our routes, by which those on the underlay are known (free in rt_protos). */
export const OVERLAY_PROTOCOL = 114;
const KERNEL_PROTOCOL = 2;

/**
 * Returns the changes that turn `actual` into `plan`, in order: routes that are no longer right go
 * first, those that are new come after the entries they need. Everything on our link but the
 * kernel's own routes is ours; on the underlay only routes with our protocol.
 */
export function difference(plan: OverlayPlan, actual: Actual): Change[] {
  // lab:13 begin difference
  const routes = plan.routes.map((route) => wantedRoute(route, actual));
  const wanted = new Map(routes.map((route) => [route.to, route]));
  const first = actual.routes.filter(({ metric = 0 }) => metric === 0);
  const present = new Map(first.map((route) => [route.to, route]));
  const neighbours = compare(plan.neighbours, actual.neighbours);
  const forwarding = compare(plan.forwarding, actual.forwarding);
  // Deleting a neighbour names its address alone: one that was set again is not deleted.
  const gateways = new Set(plan.neighbours.map(({ address }) => address));
  const change = (kind: Change["kind"]) => (entry: MacOf) => ({ kind, entry }) as Change;
  return [
    ...actual.routes
      .filter((route) => isOurs(route, actual) && !wanted.has(route.to))
      .map((route) => ({ kind: "delete-route" as const, route })),
    ...neighbours.set.map(change("set-neighbour")),
    ...forwarding.set.map(change("set-forwarding")),
    ...routes
      .filter((route) => !sameRoute(route, present.get(route.to)))
      .map((route) => ({ kind: "set-route" as const, route })),
    ...neighbours.gone
      .filter(({ address }) => !gateways.has(address))
      .map(change("delete-neighbour")),
    ...forwarding.gone.map(change("delete-forwarding")),
  ];
  // lab:13 end
}

/**
 * Returns a planned route as the kernel has it, with our protocol: on the underlay's link, or on
 * our own device. Via a gateway on our device it is `onlink`, as no other route leads there.
 */
function wantedRoute({ to, via, by }: OverlayPlan["routes"][number], actual: Actual): Route {
  // lab:13 begin wanted-route
  const protocol = OVERLAY_PROTOCOL;
  const link = (by === "underlay" ? actual.underlay : actual.device) ?? 0;
  if (via === undefined) return { to, link, protocol };
  return { to, via, link, protocol, ...(by === "device" ? { onlink: true } : {}) };
  // lab:13 end
}

/** Returns whether a route may be deleted: see `difference`. */
function isOurs(route: Route, { device }: Actual): boolean {
  // lab:13 begin is-ours
  if (route.protocol === OVERLAY_PROTOCOL) return true;
  return route.link === device && route.protocol !== KERNEL_PROTOCOL;
  // lab:13 end
}

function sameRoute(wanted: Route, found: Route | undefined): boolean {
  return (
    found !== undefined &&
    found.via === wanted.via &&
    found.link === wanted.link &&
    found.protocol === wanted.protocol &&
    (found.onlink ?? false) === (wanted.onlink ?? false)
  );
}

/** Compares with the permanent entries; others come and go by themselves. */
function compare(
  wanted: readonly MacOf[],
  actual: readonly Neighbour[],
): { set: MacOf[]; gone: MacOf[] } {
  // lab:13 begin compare
  const textOf = ({ address, mac }: MacOf) => `${address} ${mac}`;
  const permanent = actual.filter((entry) => entry.permanent);
  const present = new Set(permanent.map(textOf));
  const right = new Set(wanted.map(textOf));
  return {
    set: wanted.filter((entry) => !present.has(textOf(entry))),
    gone: permanent.filter((entry) => !right.has(textOf(entry))),
  };
  // lab:13 end
}
