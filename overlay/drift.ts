import type { Subnet } from "@raft2kube/cni/lib/ip.ts";
import { includes, ipv4Subnet } from "@raft2kube/cni/lib/subnet.ts";
import { type RouteEvents, RTMGRP, watchRoute } from "@raft2kube/linux/netlink/events.ts";
import { decodeBody, type NetlinkMessage } from "@raft2kube/linux/netlink/messages.ts";
import { parseRoute } from "@raft2kube/linux/netlink/route.ts";
import type { OverlayNetwork } from "./apply.ts";
import { OVERLAY_CHANGES_BYTES } from "./limits.ts";

/** rtnetlink's types of messages, as in linux/rtnetlink.h. */
const RTM = { DELLINK: 17, NEWROUTE: 24, DELROUTE: 25, NEWNEIGH: 28 } as const;
const GROUPS = RTMGRP.LINK | RTMGRP.NEIGH | RTMGRP.IPV4_IFADDR | RTMGRP.IPV4_ROUTE;

/** Indexes of the links that the overlay has to do with, as of the last sync. */
export interface Links {
  readonly device: number | undefined;
  /** Index of the underlay's link; undefined while there is none. */
  readonly underlay: number | undefined;
}

/**
 * Calls `onChange` when links, addresses, routes or neighbours change that the overlay made or
 * depends on, by itself or by others; also when changes were missed, with the reason.
 */
export function watchDrift(options: {
  network: OverlayNetwork;
  range: Subnet;
  links: () => Links;
  onChange: (missed?: Error) => void;
}): RouteEvents {
  const { network, range, links, onChange } = options;
  let events: RouteEvents;
  let closed = false;
  const watch = () => {
    events = network.inside(() =>
      watchRoute({
        groups: GROUPS,
        buffer_bytes: OVERLAY_CHANGES_BYTES,
        onMessage(message) {
          if (concerns(message, range, links())) onChange();
        },
        onLost(error) {
          if (closed) return;
          // Before looking at everything, so that a change in between is not missed.
          watch();
          onChange(error);
        },
      }),
    );
  };
  watch();
  return {
    close() {
      closed = true;
      events.close();
    },
  };
}

function concerns(message: NetlinkMessage, range: Subnet, links: Links): boolean {
  const { type, body } = message;
  const { device, underlay } = links;
  const index = decodeBody(body, "watch the network", (bytes) => bytes.readInt32LE(4));
  const isKnown = index === device || index === underlay;
  if (type >= RTM.NEWNEIGH) return index === device;
  if (type === RTM.NEWROUTE || type === RTM.DELROUTE) {
    const routes = decodeBody(body, "watch the network", parseRoute);
    return routes.some(({ to, link }) => {
      const subnet = ipv4Subnet(to);
      const isWithin = subnet !== undefined && includes(range, subnet);
      return isWithin || link === device || link === underlay || to === "0.0.0.0/0";
    });
  }
  // A new link may be the one that is missing.
  const isMissing = underlay === undefined && type !== RTM.DELLINK;
  return isKnown || isMissing;
}
