import type { ServicePort, Target } from "../../plan/model.ts";
import { REJECT } from "./base.ts";
import type { Fragment } from "./fragment.ts";

/** The chains that a port's fronts lead to. */
export interface Leads {
  clusterIp: string;
  externalIp: string;
  nodePort: string;
}

/** Puts a port's addresses and node port into the maps that are looked up first. */
export function claimFronts(port: ServicePort, leads: Leads, { elements }: Fragment): void {
  const { transport, everywhere, here } = port;
  // Endpoints elsewhere only, with a local policy: dropped, so that a balancer tries another node.
  const refusal = everywhere.length > 0 ? "drop" : `goto ${REJECT}`;
  const claim = (map: string, ip: string, usable: readonly Target[], chain: string) => {
    const key = `${ip} . ${transport} . ${port.port}`;
    const served = usable.length > 0;
    const set = served ? map : `refused-${map}`;
    elements.push({ set, key, value: served ? `goto ${chain}` : refusal });
  };
  for (const ip of port.clusterIps) {
    elements.push({ set: "cluster-ips", key: ip, value: "" });
    claim("services", ip, port.internalLocal ? here : everywhere, leads.clusterIp);
  }
  for (const ip of port.externalIps) {
    claim("external-services", ip, everywhere, leads.externalIp);
  }
  if (port.ofApi) {
    for (const { address } of everywhere) {
      elements.push({ set: "api-endpoints", key: address, value: "" });
    }
  }
  if (port.nodePort === undefined) return;
  const key = `${transport} . ${port.nodePort}`;
  const served = everywhere.length > 0;
  const set = served ? "node-ports" : "refused-node-ports";
  elements.push({ set, key, value: served ? `goto ${leads.nodePort}` : refusal });
}

/** A pod that reaches itself must see another address than its own, or it would not answer back. */
export function claimHairpins({ everywhere }: ServicePort, { elements }: Fragment): void {
  for (const { address } of everywhere) {
    elements.push({ set: "hairpins", key: `${address} . ${address}`, value: "" });
  }
}
